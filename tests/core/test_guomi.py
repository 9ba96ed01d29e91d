"""SM4 and SM2 by the vectors of their standards."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import guomi
from core.errors import ConfigurationError, ProviderError

KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
# GB/T 32918.5-2017, A.2: the curve in use, key pair, k and signature of "message digest"
PRIVATE = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"
PUBLIC = (
    "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
K = "59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21"
SIGNATURE = (
    "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)


def test_sm3_of_the_standard_is_among_the_digests():
    """GB/T 32905-2016, appendix A."""
    assert hashlib.new("sm3", b"abc").hexdigest() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def test_sm4_of_the_standard():
    """GB/T 32907-2016, appendix A: the first block of CBC with an iv of zeros is the block itself."""
    assert guomi.sm4_encrypt(KEY, KEY, bytes(16))[:16].hex() == "681edf34d206965e86b3e94f536e4246"
    assert guomi.sm4_encrypt(KEY, KEY, None)[:16].hex() == "681edf34d206965e86b3e94f536e4246"


@given(st.binary(max_size=100), st.none() | st.binary(min_size=16, max_size=16))
def test_sm4_there_and_back(data, iv):
    sealed = guomi.sm4_encrypt(KEY, data, iv)
    assert guomi.sm4_decrypt(KEY, sealed, iv) == data
    with pytest.raises(ProviderError):
        guomi.sm4_decrypt(KEY, sealed[:-1], iv)
    with pytest.raises(ConfigurationError):
        guomi.sm4_encrypt(b"short", data, iv)


def test_sm2_signs_as_the_standard_says():
    assert guomi.sm2_sign(PRIVATE, b"message digest", k=K) == SIGNATURE
    assert guomi.sm2_public(PRIVATE) == PUBLIC


@settings(max_examples=5, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.integers(1, 1 << 250))
def test_sm2_signs_so_that_its_public_key_believes_it(data, private):
    from gmssl import sm2

    key = f"{private:064x}"
    verifier = sm2.CryptSM2("", "", mode=1)
    verifier.public_key = guomi.sm2_public(key)
    assert verifier.verify_with_sm3(guomi.sm2_sign(key, data), data)
    assert not verifier.verify_with_sm3(guomi.sm2_sign(key, data), data + b"!")


@pytest.mark.parametrize("private", ["", "1", "g" * 64, "0" * 64, "f" * 64])
def test_what_is_no_private_key_is_refused(private):
    with pytest.raises(ConfigurationError):
        guomi.sm2_sign(private, b"x")
