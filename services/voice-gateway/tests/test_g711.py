"""The telephone's codec: known codes, and no more loss than its steps are wide."""

import numpy as np
import pytest
from voice_gateway.audio import g711

ALL_CODES = bytes(range(256))
ALL_SAMPLES = np.arange(-32768, 32768).astype("<i2")


@pytest.mark.parametrize(
    ("law", "code", "level"),
    [
        ("mu", 0x00, -32124),
        ("mu", 0x80, 32124),
        ("mu", 0xFF, 0),
        ("mu", 0x7F, 0),
        ("mu", 0xFE, 8),
        ("a", 0x2A, -32256),
        ("a", 0xAA, 32256),
        ("a", 0xD5, 8),
        ("a", 0x55, -8),
    ],
)
def test_codes_mean_what_the_standard_says(law: g711.Law, code: int, level: int):
    assert np.frombuffer(g711.decode(bytes([code]), law), "<i2")[0] == level


@pytest.mark.parametrize("law", ["mu", "a"])
def test_every_code_survives_the_way_there_and_back(law: g711.Law):
    back = g711.encode(g711.decode(ALL_CODES, law), law)
    zero = b"\xff" if law == "mu" else b"\x7f"
    assert back == ALL_CODES.replace(b"\x7f", zero)


def test_silence_is_sent_as_silence():
    assert g711.encode(bytes(320), "mu") == b"\xff" * 160
    assert set(g711.encode(bytes(320), "a")) <= {0x55, 0xD5}


@pytest.mark.parametrize("law", ["mu", "a"])
def test_the_loss_stays_within_half_a_step(law: g711.Law):
    heard = np.frombuffer(g711.decode(g711.encode(ALL_SAMPLES.tobytes(), law), law), "<i2")
    loss = np.abs(heard.astype(int) - ALL_SAMPLES)
    steps = np.maximum(16, np.abs(ALL_SAMPLES.astype(int)) / 16)
    clipped = np.abs(ALL_SAMPLES.astype(int)) > np.abs(heard.astype(int)).max()
    assert np.all((loss <= steps / 2 + 8) | clipped)
