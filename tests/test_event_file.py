"""Files for TensorBoard, byte by byte. What is in them is tested in test_callback_classes."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

from convlet.utils import event_file
from convlet.utils.event_file import EventFile, crc32c, record

# As TensorFlow's TFRecordWriter and Protocol Buffers write it: 0.75 at step 300, at 1.5 seconds.
RECORD = bytes.fromhex(
    "3700000000000000e7e8ca5909000000000000f83f10ac022a290a270a0a65706f63685f6c6f7373420a080112002a04"
    "0000403f4a0d0a090a077363616c6172732001efac82a6"
)


def test_checksum() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C


def test_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_file.time, "time", lambda: 1.5)
    monkeypatch.setattr(socket, "gethostname", lambda: "here")
    file = EventFile(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    file.write({"epoch_loss": 0.75}, 300)
    file.write({"epoch_loss": 0.75, "epoch_accuracy": float("nan")}, 300)
    (path,) = (tmp_path / "a" / "b").iterdir()
    assert path.name.startswith("events.out.tfevents.0000000001.here.")
    header = record(b"\x09" + struct.pack("<d", 1.5) + b"\x10\x00\x1a\x0dbrain.Event:2")
    content = path.read_bytes()
    assert content.startswith(header + RECORD + RECORD)
    assert b"epoch_accuracy" in content[len(header + RECORD + RECORD) :]
    EventFile(tmp_path / "a" / "b").write({"epoch_loss": 0.75}, 300)  # a file of its own
    assert len(list((tmp_path / "a" / "b").iterdir())) == 2
