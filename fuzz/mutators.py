"""Ways of damaging a file, drawn by a seeded generator; some mend the checksums afterwards, to reach what is behind."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import zipfile
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

    from fuzz.seeds import Seed

    Packing = Callable[[bytes, Callable[[bytes], bytes], Random], bytes]

INTERESTING = (0, 1, 2, 3, 7, 8, 16, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)

PNG_MAGIC, MAT_HEADER, MAT_COMPRESSED = b"\x89PNG\r\n\x1a\n", 128, 15

MOST_AT_ONCE = 4


def mutate(seed: Seed, others: Sequence[Seed], random: Random) -> bytes:
    """A damaged copy of a seed; `others` of its suffix lend it parts."""
    data = seed.data
    packing = _PACKINGS.get(seed.suffix)
    if packing and random.random() < 0.5:  # noqa: PLR2004 - half of them
        return packing(data, lambda part: _damaged(part, others, random), random)
    return _damaged(data, others, random)


def _damaged(data: bytes, others: Sequence[Seed], random: Random) -> bytes:
    for _ in range(random.randint(1, MOST_AT_ONCE)):
        if not data:
            return data
        data = random.choice(_MUTATORS)(bytearray(data), others, random)
    return data


def _flip(data: bytearray, _others: Sequence[Seed], random: Random) -> bytes:
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def _byte(data: bytearray, _others: Sequence[Seed], random: Random) -> bytes:
    data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)


def _number(data: bytearray, _others: Sequence[Seed], random: Random) -> bytes:
    """A number of 1, 2, 4 or 8 bytes, in either order, that programs trip over."""
    code = random.choice("BHIQ")
    packed = struct.pack(random.choice("<>") + code, random.choice(INTERESTING) & (256 ** struct.calcsize(code) - 1))
    place = random.randrange(min(len(data), 400) if random.random() < 0.5 else len(data))  # noqa: PLR2004 - headers
    data[place : place + len(packed)] = packed
    return bytes(data)


def _cut(data: bytearray, _others: Sequence[Seed], random: Random) -> bytes:
    return bytes(data[: random.randrange(len(data))])


def _zero(data: bytearray, _others: Sequence[Seed], random: Random) -> bytes:
    start = random.randrange(len(data))
    length = random.randint(1, max(1, len(data) // 4))
    data[start : start + length] = bytes(len(data[start : start + length]))
    return bytes(data)


def _remove(data: bytearray, _others: Sequence[Seed], random: Random) -> bytes:
    start = random.randrange(len(data))
    del data[start : start + random.randint(1, 64)]
    return bytes(data)


def _repeat(data: bytearray, _others: Sequence[Seed], random: Random) -> bytes:
    start = random.randrange(len(data))
    part = data[start : start + random.randint(1, 64)]
    return bytes(data[:start] + part * random.randint(2, 5) + data[start:])


def _splice(data: bytearray, others: Sequence[Seed], random: Random) -> bytes:
    other = random.choice(others).data
    return bytes(data[: random.randrange(len(data))]) + other[random.randrange(len(other)) :]


_MUTATORS = (_flip, _flip, _byte, _number, _number, _cut, _zero, _remove, _repeat, _splice)


def _png(data: bytes, damage: Callable[[bytes], bytes], random: Random) -> bytes:
    """Damage within one chunk, inflated if it holds pixels, with checksums that are right again."""
    chunks, start = [], len(PNG_MAGIC)
    while start + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        chunks.append((data[start + 4 : start + 8], data[start + 8 : start + 8 + length]))
        start += 12 + length
    place = random.randrange(len(chunks))
    name, content = chunks[place]
    if name == b"IDAT" and random.random() < 0.5:  # noqa: PLR2004 - half of them
        chunks[place] = name, zlib.compress(damage(zlib.decompress(content)))
    else:
        chunks[place] = name, damage(content)
    parts = [
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    ]
    return PNG_MAGIC + b"".join(parts)


def _npz(data: bytes, damage: Callable[[bytes], bytes], random: Random) -> bytes:
    """Damage within the members, in an archive that is right again."""
    written = io.BytesIO()
    method = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(written, "w", method) as other:
        for name in archive.namelist():
            other.writestr(zipfile.ZipInfo(name), damage(archive.read(name)), method)
    return written.getvalue()


def _mat(data: bytes, damage: Callable[[bytes], bytes], _random: Random) -> bytes:
    """Damage within the compressed variables."""
    out, start = data[:MAT_HEADER], MAT_HEADER
    while start + 8 <= len(data):
        kind, length = struct.unpack_from("<II", data, start)
        content = data[start + 8 : start + 8 + length]
        if kind != MAT_COMPRESSED:
            return data[:MAT_HEADER] + damage(data[MAT_HEADER:])
        content = zlib.compress(damage(zlib.decompress(content)))
        out += struct.pack("<II", kind, len(content)) + content
        start += 8 + length
    return out


def _packed(pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]) -> Packing:
    """Damage within what is compressed as a whole."""
    return lambda data, damage, _random: pack(damage(unpack(data)))


def _json(data: bytes, _damage: Callable[[bytes], bytes], random: Random) -> bytes:
    """A document that is JSON still, in which a value is another one, gone, or there twice."""
    document = json.loads(data)
    for _ in range(random.randint(1, MOST_AT_ONCE)):
        places = list(_places(document))
        if not places:
            break
        _edit(places, random)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _edit(places: Sequence[tuple[Any, Any]], random: Random) -> None:
    """Change one place of a document."""
    holder, key = random.choice(places)
    kind = random.choice(("remove", "repeat", "rename", "copy", "replace", "replace"))
    if kind == "remove":
        del holder[key]
    elif kind == "repeat" and isinstance(holder, list):
        holder.append(_copied(holder[key]))
    elif kind == "rename" and isinstance(holder, dict):
        holder[random.choice(TEXTS)] = holder.pop(key)
    elif kind == "copy":
        other, other_key = random.choice(places)
        holder[key] = _copied(other[other_key])
    else:
        holder[key] = _copied(random.choice((*VALUES, *TEXTS)))


def _toml(data: bytes, _damage: Callable[[bytes], bytes], random: Random) -> bytes:
    """Options with values that mostly are none of theirs."""
    lines = data.split(b"\n")
    for _ in range(random.randint(1, MOST_AT_ONCE)):
        value = random.choice((*VALUES[1:], *WORDS, *TEXTS[:2]))
        lines.append(f"{random.choice(KEYS)} = {json.dumps(value)}".encode())
    return b"\n".join(lines)


KEYS = (
    *("metric", "norm", "axis", "eps", "base", "reduction", "maps", "scale", "resize", "color", "empty-gt", "nodata"),
    *("dtype", "convention", "signature", "preset", "pred-name", "exclude", "group-by", "limit", "shard", "key"),
    *("max-pixels", "format", "columns", "worst", "fail-if", "baselines", "weights", "mask", "fixations", "confidence"),
    *("resamples", "seed", "class-weights", "ignore-index", "label-smoothing", "html-maps", "trust-files", "stack"),
)
"""Options, as a configuration names them; none that writes files, and none that starts many processes."""

WORDS = (
    "kld",
    "cc,sim",
    "sum-to-one",
    "blur(sigma=3)",
    "2",
    "-1",
    "1e-7",
    "both(size=9x7)",
    "mit",
    "{a}/{b}",
    "parent",
)
"""What some of the options take."""

VALUES: tuple[Any, ...] = (None, True, 0, -1, 1e308, 10**30, 0.5, [], {}, [[]], "inf", "nan", "")
"""What may stand where something else was expected."""

TEXTS = ("\x1b[31mred", "two\nkldeval: note: lines", "\ud800", "a" * 300, "../../etc/x", "kld|pred:none", "name", "kld")
"""What may stand for a name."""


def _copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document: what holds it, and the key or index in that."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


_PACKINGS: dict[str, Packing] = {
    ".tgz": _packed(gzip.compress, gzip.decompress),
    ".tbz": _packed(bz2.compress, bz2.decompress),
    ".txz": _packed(partial(lzma.compress, preset=0), lzma.decompress),
    ".pt": _npz,
    ".png": _png,
    ".npz": _npz,
    ".zip": _npz,
    ".mat": _mat,
    ".json": _json,
    ".toml": _toml,
}
