"""国密 where a source's contract asks for it: SM2 signatures (GB/T 32918) of calls and SM4 (GB/T 32907) of answers; tested by
their published vectors. SM3 (GB/T 32905) is among the algorithms of :mod:`hashlib`.

SM4 comes from cryptography (OpenSSL), SM2 from gmssl, whose own random numbers are not fit for keys: they are drawn
here. TLCP (GB/T 38636) is not spoken: a proxy that does stands before such a source.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from gmssl import func, sm2

from core.errors import ConfigurationError, ProviderError

func.random_hex = lambda count: secrets.token_hex((count + 1) // 2)[
    :count
]  # gmssl draws from random, which can be guessed
_ORDER = int(sm2.default_ecc_table["n"], 16)
_BLOCK = 16


def sm4_encrypt(key: bytes, data: bytes, iv: bytes | None) -> bytes:
    """SM4 with PKCS#7 padding, CBC with an ``iv`` and ECB without; ``key``, ``iv``: 16 bytes.

    :raises ConfigurationError: they are not.
    """
    padder = padding.PKCS7(_BLOCK * 8).padder()
    encryptor = _sm4(key, iv).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def sm4_decrypt(key: bytes, data: bytes, iv: bytes | None) -> bytes:
    """And back. :raises ProviderError: it is not of that key, or was cut."""
    decryptor = _sm4(key, iv).decryptor()
    unpadder = padding.PKCS7(_BLOCK * 8).unpadder()
    try:
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise ProviderError(
            "the answer cannot be decrypted by our SM4 key",
            remedy="ask the source for the key in force and the mode of its contract",
            zh="无法用本方 SM4 密钥解密响应，请与数源核对密钥与模式。",
            code="not_decrypted",
        ) from error


def _sm4(key: bytes, iv: bytes | None) -> Cipher[Any]:
    return Cipher(algorithms.SM4(_sized(key, "key")), modes.ECB() if iv is None else modes.CBC(_sized(iv, "iv")))  # noqa: S305 - theirs to choose


def _sized(value: bytes, what: str) -> bytes:
    if len(value) != _BLOCK:
        raise ConfigurationError(
            f"the {what} of SM4 has {len(value)} bytes",
            remedy="16 bytes",
            zh=f"SM4 的 {what} 应为 16 字节，实为 {len(value)} 字节。",
        )
    return value


def sm2_public(private: str) -> str:
    """The public key of a private one (64 hexadecimal digits), 128 digits. :raises ConfigurationError: it is no key."""
    if not re.fullmatch("[0-9a-fA-F]{64}", private) or not 0 < int(private, 16) < _ORDER - 1:
        raise ConfigurationError(
            "the Connection's password is no private key of SM2",
            remedy="64 hexadecimal digits, as the source's platform gave them",
            zh="连接的密码不是 SM2 私钥：应为 64 位十六进制。",
        )
    return str(sm2.CryptSM2("", "")._kg(int(private, 16), sm2.default_ecc_table["g"]))


def sm2_sign(private: str, data: bytes, *, k: str | None = None) -> str:
    """r and s in hex, 128 digits, of SM3(Z, data) with the usual id 1234567812345678. ``k``: for vectors alone.

    :raises ConfigurationError: ``private`` is no key.
    """
    crypt = sm2.CryptSM2(private, "", mode=1)
    crypt.public_key = sm2_public(private)  # its constructor takes every leading 0 and 4 off one that begins with 04
    while True:
        signature = crypt.sign_with_sm3(data, k or f"{secrets.randbelow(_ORDER - 1) + 1:064x}")
        if signature is not None:
            return str(signature).lower()
