import itertools
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from orlop.contents.packages.orders import compare
from tests import left_out
from tests.unit.contents.packages.orders.chains import check

ASK = """
if dpkg --compare-versions '{0}' lt '{1}'; then echo -1
elif dpkg --compare-versions '{0}' eq '{1}'; then echo 0
else echo 1
fi
"""
UPSTREAM = st.lists(st.sampled_from(["0", "1", "10", "01", "a", "Z", "~", ".", "+", "~~", "-"]), max_size=5).map(
    "".join
)
REVISION = st.lists(st.sampled_from(["0", "1", "9", "b", "~", ".", "+"]), max_size=4).map("".join)
VERSION = st.builds(
    lambda epoch, upstream, revision: f"{epoch}1{upstream}-0{revision}" if revision else f"{epoch}1{upstream}0",
    st.sampled_from(["", "", "0:", "1:", "12:"]),
    UPSTREAM,
    REVISION,
)


def test_versions_of_debian() -> None:
    check(
        "dpkg",
        "1.0~rc1-1",
        "1.0~rc1-1+b1",
        ("1.0", "0:1.0", "1.0-0"),
        "1.0-1~deb11u1",
        "1.0-1~deb12u2",
        ("1.0-1", "1.0-01"),
        "1.0-1+b1",
        "1.0-1.1",
        "1.0-2",
        "1.0a-1",
        "1.0+dfsg-1",
        "1.0.1-1",
        "1.9",
        "1.10",
        "1:0.1",
        "2:0",
    )


def test_the_end_stands_between_a_tilde_and_all_else() -> None:
    check("dpkg", "1~~", "1~~a", "1~", "1", "1a", "1+")


@settings(max_examples=1)
@given(versions=st.lists(VERSION, min_size=120, max_size=120))
def test_dpkg_itself_has_the_same_order(versions: list[str]) -> None:
    if reason := left_out.missing_programs("dpkg"):
        left_out.leave_out("dpkg", reason)
    pairs = list(itertools.pairwise(versions))
    script = "".join(ASK.format(*pair) for pair in pairs)
    answer = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
    assert not answer.stderr
    assert [compare("dpkg", *pair) for pair in pairs] == list(map(int, answer.stdout.split()))
