"""SM3, SM4, SM2 by the vectors of their standards."""

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


def test_sm3_of_the_standard():
    """GB/T 32905-2016, appendix A."""
    assert guomi.sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert guomi.sm3(b"abcd" * 16).hex() == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_hmac_is_the_construction_of_rfc_2104(key, data):
    padded = (guomi.sm3(key) if len(key) > 64 else key).ljust(64, b"\0")
    inner = guomi.sm3(bytes(b ^ 0x36 for b in padded) + data)
    assert guomi.hmac_sm3(key, data) == guomi.sm3(bytes(b ^ 0x5C for b in padded) + inner)


def test_sm4_of_the_standard():
    """GB/T 32907-2016, appendix A: the first block of CBC with an iv of zeros is the block itself."""
    assert guomi.sm4_encrypt(KEY, KEY, bytes(16))[:16].hex() == "681edf34d206965e86b3e94f536e4246"


def test_sm4_gcm_of_rfc_8998():
    """RFC 8998, A.1."""
    plain = bytes.fromhex(
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
    )
    sealed = guomi.sm4_seal(
        KEY, plain, bytes.fromhex("00001234567800000000abcd"), bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    )
    assert sealed[-16:].hex() == "83de3541e4c2b58177e065a9bf7b62ec"
    assert sealed[:16].hex() == "17f399f08c67d5ee19d0dc9969c4bb7d"


@given(st.binary(max_size=100), st.binary(min_size=16, max_size=16))
def test_sm4_there_and_back(data, iv):
    assert guomi.sm4_decrypt(KEY, guomi.sm4_encrypt(KEY, data, iv), iv) == data
    sealed = guomi.sm4_seal(KEY, data, iv[:12], b"beside")
    assert guomi.sm4_open(KEY, sealed, iv[:12], b"beside") == data
    with pytest.raises(ProviderError):
        guomi.sm4_open(KEY, sealed, iv[:12], b"other")
    with pytest.raises(ConfigurationError):
        guomi.sm4_encrypt(b"short", data, iv)


def test_sm2_signs_as_the_standard_says():
    assert guomi.sm2_sign(PRIVATE, PUBLIC, b"message digest", k=K) == SIGNATURE
    assert guomi.sm2_verify(PUBLIC, b"message digest", SIGNATURE)
    assert guomi.sm2_verify("04" + PUBLIC, b"message digest", SIGNATURE)


@pytest.mark.parametrize("forged", ["", "0" * 128, "f" * 128, SIGNATURE[:-1], SIGNATURE[::-1], "nonsense" * 16])
def test_sm2_believes_no_other_signature(forged):
    assert not guomi.sm2_verify(PUBLIC, b"message digest", forged)
    assert not guomi.sm2_verify(PUBLIC, b"another message", SIGNATURE)


@settings(max_examples=5, deadline=None)
@given(st.binary(min_size=1, max_size=60))
def test_sm2_there_and_back(data):
    private, public = guomi.sm2_keys()
    assert guomi.sm2_verify(public, data, guomi.sm2_sign(private, public, data))
    sealed = guomi.sm2_encrypt(public, data)
    assert guomi.sm2_decrypt(private, public, sealed) == data
    with pytest.raises(ProviderError):
        guomi.sm2_decrypt(private, public, sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_a_key_that_begins_like_the_mark_of_a_point_is_taken_whole():
    """gmssl strips every leading 0 and 4."""
    private, public = "1", None
    for _ in range(40):
        private, public = guomi.sm2_keys()
        if public.startswith("04"):
            break
    else:
        pytest.skip("none was drawn")
    assert guomi.sm2_verify(public, b"x", guomi.sm2_sign(private, public, b"x"))
