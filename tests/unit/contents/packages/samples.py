"""Small files that tell of packages, as the programs that write them have them."""

import base64
import io
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path

# The header that rpm 4.18 put into its database for a package that rpmbuild made of
# `Name: curlish`, `Version: 7.76.1~rc1`, `Release: 14`, `Epoch: 2`, `BuildArch: noarch`.
RPM_HEADER = zlib.decompress(
    base64.b85decode(
        b"c-mEz-%Axi6vyZ4wM+<%tSlmY=s~Gnc4p_^*@+_1kc2EBOzLrFXXd(ee|1;IBEtW{mmc~9dJp;&`WJethbYSIhe1RTX0z^BtqbR#"
        b"{ml2wnR9l}E+J%skiIoS$W?EL38}pHe%PDwHb}}}g^>P_-XHST2i^b=fj@yyfH%FbdK(3Q_Wp>sv*0h_bKtLt9|M0wzVqPk(8s|)"
        b"p<e|5LcR#R4gE6s4|uZV>IirSd<y+Gz@s>?Tl(s0=xg9J;1A&OGGFBo_TMSjE5qQsWqf4>tPzj?ss?-kY{BTK>cBN{6D&$TzK-*5"
        b"fL}tN1HZ%h3*h&Ne*)fs{<P#u1^O0v0Q2#qoR7-UGJjtc`Y~{T`@L1}@9U!8li($A1H1}e1V1WxilocEW|l7!5sG?9ANNv9C@*Hw"
        b"Cs-o)1~#WxTIF!g&dihB?YwK#%w^V)X4YO_CGC#trHgxMf`c>x<ze1S!(O+we@Icl(7)!zW~RrdI<0Qc=D9V~S<~KBEt^jeXvNC4"
        b"tYPz|gS9#JpxIHo!TEKyV&{6+Wvl!0eAYB}roCW$dDdzBZE+ZdJfMV!^)TA?<v)$~E|M_9J2=QL{nrEuZn3eTLDFv4A&rMwmq;`n"
        b"7^^eY4$2#`yLWlX1qo3umX@YeD#t~ltP?7VwUvo=N*bw^Vk~i5IvLwI;mp*H(3C66>ovt|5_QBT;*4qTtn%SPP@4!QIMq59k&uy&"
        b"QxnzV#44wGow7K#35#^XbxkN%%ys#(+1c6N!pFux`YXThza4$CKKtfX<9TyLJ)1NM)pe?3sa@SLV_cMQ!A&A-TKcLY>uN@EVMv_|"
        b"<`k8wNo6h4l=|?<H{r|U+N4Y+zF0<8Dt(A_iK50x!&$1N6A3F`sA8VHD`v01xc&=w+|@A"
    )
)


def rpm_header(**fields: str | int) -> bytes:
    """A header with these tags, `t1000="name"`."""
    index, data = b"", b""
    for tag, value in fields.items():
        content = value.encode() + b"\0" if isinstance(value, str) else value.to_bytes(4)
        index += struct.pack(">IIII", int(tag[1:]), 6 if isinstance(value, str) else 4, len(data), 1)
        data += content
    return struct.pack(">II", len(fields), len(data)) + index + data


def rpm_database(folder: Path, *headers: bytes, page_size: int = 4096) -> bytes:
    """As rpm makes it, with a write-ahead log that is empty."""
    path = folder / "rpmdb.sqlite"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {page_size}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)")
    connection.execute("CREATE TABLE 'Name' (key TEXT NOT NULL, hnum INTEGER NOT NULL)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(header,) for header in headers])
    connection.execute("COMMIT")
    connection.close()
    return path.read_bytes()


def archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive: a jar."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as jar:
        for name, content in files.items():
            jar.writestr(name, content)
    return buffer.getvalue()


def pom(group: str, artifact: str, version: str) -> dict[str, bytes]:
    """What Maven writes into a jar."""
    path = f"META-INF/maven/{group}/{artifact}/pom.properties"
    return {path: f"#Created\n#Mon\nversion={version}\r\ngroupId = {group}\nartifactId={artifact}\n".encode()}


def go_program(modules: bytes, version: bytes = b"go1.22.1", ahead: bytes = b"") -> bytes:
    """A program with what Go's linker writes, as `debug/buildinfo` describes it."""
    head = b"\x7fELF" + bytes(60) + ahead
    mark = b"\xff Go buildinf:\x08\x02" + bytes(16)
    body = b"".join(_length(len(text)) + text for text in (version, b"0" * 16 + modules + b"1" * 16))
    return head + bytes(-len(head) % 16) + mark + body + bytes(5000)


def _length(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80, *_length(value >> 7)]) if value >= 0x80 else bytes([value])
