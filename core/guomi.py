"""国密 where a source's contract asks for it: SM3 digests, SM4, SM2. GB/T 32905, 32907, 32918; tested by their published vectors.

SM3 and SM4 come from cryptography (OpenSSL), SM2 from gmssl, whose own random numbers are not fit for keys: they are drawn
here. TLCP (GB/T 38636) is not spoken: a proxy that does stands before such a source.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from gmssl import func, sm2

from core.errors import ConfigurationError, ProviderError

func.random_hex = lambda count: secrets.token_hex((count + 1) // 2)[
    :count
]  # gmssl draws from random, which can be guessed
_ORDER = int(sm2.default_ecc_table["n"], 16)
_BLOCK = 16


def sm3(data: bytes) -> bytes:
    """The digest, 32 bytes."""
    made = hashes.Hash(hashes.SM3())
    made.update(data)
    return made.finalize()


class _Sm3:
    """As :func:`hmac.new` takes a digest."""

    digest_size, block_size, name = 32, 64, "sm3"

    def __init__(self, data: bytes = b"") -> None:
        self._hash = hashes.Hash(hashes.SM3())
        self._hash.update(data)

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def copy(self) -> _Sm3:
        made = _Sm3()
        made._hash = self._hash.copy()
        return made

    def digest(self) -> bytes:
        return self._hash.copy().finalize()

    def hexdigest(self) -> str:
        return self.digest().hex()


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """HMAC with SM3 (GB/T 15852.2), 32 bytes."""
    return hmac.new(key, data, _Sm3).digest()  # type: ignore[arg-type]


def sm4_encrypt(key: bytes, data: bytes, iv: bytes) -> bytes:
    """SM4-CBC with PKCS#7 padding; ``key``, ``iv``: 16 bytes. :raises ConfigurationError: they are not."""
    padder = padding.PKCS7(_BLOCK * 8).padder()
    encryptor = _sm4(key, modes.CBC(_sized(iv, "iv"))).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def sm4_decrypt(key: bytes, data: bytes, iv: bytes) -> bytes:
    """And back. :raises ProviderError: it is not of that key, or was cut."""
    decryptor = _sm4(key, modes.CBC(_sized(iv, "iv"))).decryptor()
    unpadder = padding.PKCS7(_BLOCK * 8).unpadder()
    try:
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise _unreadable("SM4") from error


def sm4_seal(key: bytes, data: bytes, nonce: bytes, beside: bytes = b"") -> bytes:
    """SM4-GCM: data with its tag of 16 bytes behind; ``nonce``: 12 bytes, never twice under a key."""
    encryptor = _sm4(key, modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(beside)
    return encryptor.update(data) + encryptor.finalize() + encryptor.tag


def sm4_open(key: bytes, sealed: bytes, nonce: bytes, beside: bytes = b"") -> bytes:
    """And back. :raises ProviderError: it was changed, or is not of that key."""
    if len(sealed) < _BLOCK:
        raise _unreadable("SM4-GCM")
    decryptor = _sm4(key, modes.GCM(nonce, sealed[-_BLOCK:])).decryptor()
    decryptor.authenticate_additional_data(beside)
    try:
        return decryptor.update(sealed[:-_BLOCK]) + decryptor.finalize()
    except InvalidTag as error:
        raise _unreadable("SM4-GCM") from error


def _sm4(key: bytes, mode: modes.Mode) -> Cipher[Any]:
    return Cipher(algorithms.SM4(_sized(key, "key")), mode)


def _sized(value: bytes, what: str) -> bytes:
    if len(value) != _BLOCK:
        raise ConfigurationError(
            f"the {what} of SM4 has {len(value)} bytes",
            remedy="16 bytes",
            zh=f"SM4 的 {what} 应为 16 字节，实为 {len(value)} 字节。",
        )
    return value


def _unreadable(what: str) -> ProviderError:
    return ProviderError(
        f"what came is not readable by our {what} key",
        remedy="ask the source for the key in force and the mode of its contract",
        zh=f"无法用本方 {what} 密钥解开来文，请与数源核对密钥与模式。",
    )


def sm2_keys() -> tuple[str, str]:
    """(private, public) in hex: 64 and 128 digits."""
    private = secrets.randbelow(_ORDER - 2) + 1
    return f"{private:064x}", sm2.CryptSM2("", "")._kg(private, sm2.default_ecc_table["g"])


def sm2_sign(private: str, public: str, data: bytes, *, k: str | None = None) -> str:
    """r and s in hex, 128 digits, of SM3(Z, data) with the usual id 1234567812345678. ``k``: for vectors alone."""
    while True:
        made = _sm2(private, public).sign_with_sm3(data, k or f"{secrets.randbelow(_ORDER - 1) + 1:064x}")
        if made is not None:
            return str(made).lower()


def sm2_verify(public: str, data: bytes, signature: str) -> bool:
    """Whether it is the signature of that key's owner; a signature that is none is not."""
    try:
        r, s = int(signature[:64], 16), int(signature[64:], 16)
        if len(signature) != 128 or not (0 < r < _ORDER and 0 < s < _ORDER):
            return False
        return bool(_sm2("", public).verify_with_sm3(signature, data))
    except (ValueError, TypeError):
        return False


def sm2_encrypt(public: str, data: bytes) -> bytes:
    """C1 C3 C2 (GB/T 32918.4-2016), without the leading 04. :raises ConfigurationError: nothing to encrypt."""
    if not data:
        raise ConfigurationError("SM2 encrypts no empty text", remedy="send something", zh="SM2 不能加密空内容。")
    while True:
        made = _sm2("", public).encrypt(data)
        if made is not None:
            return bytes(made)


def sm2_decrypt(private: str, public: str, data: bytes) -> bytes:
    """And back. :raises ProviderError: it is not for that key, or was changed."""
    try:
        crypt = _sm2(private, public)
        plain = bytes(crypt.decrypt(data))
        point = crypt._kg(int(private, 16), data[:64].hex())
        right = sm3(bytes.fromhex(point[:64]) + plain + bytes.fromhex(point[64:])) == data[64:96]
    except (ValueError, TypeError, IndexError) as error:
        raise _unreadable("SM2") from error
    if not right:
        raise _unreadable("SM2")
    return plain


def _sm2(private: str, public: str) -> sm2.CryptSM2:
    crypt = sm2.CryptSM2(private, "", mode=1)
    crypt.public_key = public[2:] if len(public) == 130 else public  # gmssl itself takes more off than the leading 04
    return crypt
