"""The lines of a history come in step with the batches of the reader, however the file is cut into blocks."""

from __future__ import annotations

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history.files import files_of
from harness.history.migrate_lines import LineSource, blocks
from harness.history.migrate_splice import Lines
from harness.history.reader import HistoryReader

LINES = st.lists(
    st.sampled_from([b"{}", b"", b" ", b"\t\r", b'{"event":"a"}', b"[1]", b"x" * 50, b"\xff"]), max_size=30
)


def texts(lines: Lines) -> list[bytes]:
    return [lines.data[start:end].tobytes() for start, end in zip(lines.start, lines.end, strict=True)]


@given(LINES, st.integers(1, 40), st.booleans(), st.booleans(), st.booleans())
def test_any_size_of_block_gives_the_lines_that_are_not_blank(
    lines: list[bytes], block_bytes: int, packed: bool, has_mark: bool, ends: bool
) -> None:
    raw = (b"\xef\xbb\xbf" if has_mark else b"") + b"\n".join(lines) + (b"\n" if ends else b"")
    with TemporaryDirectory() as name:
        path = Path(name) / "h.jsonl"
        path.write_bytes(gzip.compress(raw) if packed else raw)
        (file,) = files_of([str(path)])
        # The mark of UTF-8 is looked for in the first block, so that one is never smaller.
        found = [text for block in blocks(file, max(3, block_bytes)) for text in texts(block)]
    assert found == [line for line in lines if line.strip()]


@pytest.mark.parametrize("count", [1, 7, 40_000])
def test_lines_and_batches_keep_step_over_blocks_and_files(count: int, tmp_path: Path) -> None:
    for number in range(3):
        rows = [f'{{"event":"e","properties":{{"distinct_id":"{number}-{at}"}}}}' for at in range(count)]
        (tmp_path / f"{number}.jsonl").write_text("\n\n".join(rows))
    reader = HistoryReader([str(tmp_path)])
    source = None
    seen = 0
    for batch in reader.batches():
        source = source or LineSource(reader.files)
        lines = texts(source.take(batch.file, batch.size))
        for text, code in zip(lines, batch.distinct_id, strict=True):
            assert f'"{reader.ids.text(int(code))}"'.encode() in text
        seen += len(lines)
    assert seen == 3 * count
    if source is not None:
        source.close()
