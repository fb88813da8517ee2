"""A user's rules file: what can be said in it, and what is said about a mistake in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.rules.rules_file import RulesError, load_rules
from puffy_platform.settings import SettingsError, load_settings
from puffy_platform_tests.rules.judging import DEFAULT_RULES, NOT_RECORDED, Visit, channels, rules

LAST = '\n[[rule]]\nchannel = "Rest"\n'


def channel_under(condition: str, visit: Visit) -> bool:
    """Does one rule with this condition apply to the visit?"""
    return channels([visit], rules(f'[[rule]]\nchannel = "Found"\n{condition}\n{LAST}')) == ["Found"]


@pytest.mark.parametrize(
    ("condition", "fitting", "other"),
    [
        ('query_has = ["coupon"]', ("/?coupon=A", None), ("/?coupon=", None)),
        ('query_has = "coupon"', ("/?Coupon=A", None), ("/?couponcode=A", None)),
        ('query_has = ["a", "b"]', ("/?b=1", None), ("/?c=1", None)),
        ('query = { src = "tv" }', ("/?src=TV", None), ("/?src=tv2", None)),
        ('query = { src = ["tv", "radio"] }', ("/?src=radio", None), ("/?other=radio", None)),
        ("query = { src = { matches = '^t' } }", ("/?src=tv", None), ("/?src=atv", None)),
        ('query.src = { contains = "v" }', ("/?src=tv", None), ("/?src=t", None)),
        ('query = { src = "tv", spot = "7" }', ("/?spot=7&src=tv", None), ("/?src=tv", None)),
        ('query = { src = "prime time" }', ("/?src=prime%2520time", None), ("/?src=prime", None)),
        ('utm_source = "tv"', ("/?utm_source=Tv", None), ("/?utm_source=tvs", None)),
        ('utm_medium = ["a", "b"]', ("/?utm_medium=b", None), ("/", None)),
        ("utm_campaign = { matches = '^x.*y$' }", ("/?utm_campaign=X1Y", None), ("/?utm_campaign=x1", None)),
        (
            'utm_content = { contains = "sale" }',
            ("/?utm_content=big-sale", None),
            ("/?utm_content=sal", None),
        ),
        ('utm_term = { is = "a", contains = "zz" }', ("/?utm_term=fizz", None), ("/?utm_term=ab", None)),
        ('referrer_host = "a.example"', ("/", "https://www.A.example/x"), ("/", "https://b.a.example/")),
        (
            'referrer_host = { domain = "a.example" }',
            ("/", "https://b.a.example/"),
            ("/", "https://ba.example/"),
        ),
        (
            'referrer_host = { contains = "goo" }',
            ("/", "https://google.com/"),
            ("/", "https://b.example/?goo"),
        ),
        ("referrer_host = { matches = '^a' }", ("/", "https://a.example/"), ("/", "https://ba.example/")),
        (
            'referrer_host = { domain = ["$shop_hosts"] }',
            ("/", "https://checkout.puffy.com/"),
            ("/", "https://a.example/"),
        ),
        (
            'referrer = { contains = "Google" }',
            ("/", "https://a.example/?from=google"),
            ("/", "https://a.example/"),
        ),
        ("referrer = { matches = 'q=\\w' }", ("/", "https://a.example/?q=x"), ("/", "https://a.example/?q=")),
        ('referrer = "present"', ("/", "about:blank"), ("/", None)),
        ('referrer = "absent"', ("/", None), ("/", NOT_RECORDED)),
        ('referrer = "not recorded"', ("/", NOT_RECORDED), ("/", None)),
        ('referrer = ["absent", "not recorded"]', ("/", NOT_RECORDED), ("/", "https://a.example/")),
        (
            'utm_source = "a"\nutm_medium = "b"',
            ("/?utm_source=a&utm_medium=b", None),
            ("/?utm_source=a", None),
        ),
    ],
)
def test_a_condition_holds_for_the_fitting_visit_and_not_for_the_other(
    condition: str, fitting: Visit, other: Visit
) -> None:
    assert channel_under(condition, fitting)
    assert not channel_under(condition, other)


def test_the_first_rule_that_matches_wins() -> None:
    text = '[[rule]]\nchannel = "A"\nquery_has = "x"\n[[rule]]\nchannel = "B"\nquery_has = ["x", "y"]\n' + LAST
    assert channels([("/?x=1&y=1", None), ("/?y=1", None), ("/", None)], rules(text)) == ["A", "B", "Rest"]


def test_a_list_can_be_named_and_used_many_times() -> None:
    text = f"""
        [lists]
        partners = ["one.example", "two.example"]
        [[rule]]
        channel = "Partner"
        referrer_host = {{ domain = ["$partners", "three.example"] }}
        [[rule]]
        channel = "Partner campaign"
        utm_source = "$partners"
        {LAST}"""
    visits: list[Visit] = [
        ("/", "https://x.two.example/"),
        ("/", "https://three.example"),
        ("/?utm_source=One.example", None),
    ]
    assert channels(visits, rules(text)) == ["Partner", "Partner", "Partner campaign"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[[rule]]\nchannel = "Email"\nutm_mediums = "email"\n',
            [
                "channels.toml, line 3, rule 1 (Email): unknown key 'utm_mediums'",
                "did you mean 'utm_medium'?",
                "query_has",
            ],
        ),
        (
            '# rules\n\n[[rule]]\nchannel = "Email"\n\nutm_medium = { matches = "^(mail" }\n',
            ["line 6, rule 1 (Email): 'utm_medium': bad regular expression '^(mail'", "unclosed group"],
        ),
        (
            '[[rule]]\nchannel = "Email"\nreferrer_host = { sufix = "a" }\n',
            ["line 3", "unknown test 'sufix' of 'referrer_host'", "is, domain, contains, matches"],
        ),
        (
            '[[rule]]\nchannel = "Email"\n[rule.referrer_host]\ndomain = "a"\nmatch = "b"\n',
            ["line 5", "unknown test 'match' of 'referrer_host'; did you mean 'matches'?"],
        ),
        (
            '[[rule]]\nchannel = "X"\nutm_source = 7\n',
            ["line 3", "'utm_source' must be a text or a list of texts, not 7"],
        ),
        (
            '[[rule]]\nchannel = "X"\nutm_source = []\n',
            ["line 3", "'utm_source' must be a text or a list of texts, not []"],
        ),
        (
            '[[rule]]\nchannel = "X"\nutm_source = {}\n',
            ["line 3", "'utm_source' has no test; known: is, contains, matches"],
        ),
        ('[[rule]]\nchannel = "X"\nquery = "gclid"\n', ["line 3", "'query' must name parameters"]),
        (
            '[[rule]]\nchannel = "X"\nquery = { a = { mach = "b" } }\n',
            ["line 3", "unknown test 'mach' of 'query.a'"],
        ),
        ('[[rule]]\nchannel = "X"\nreferrer = "none"\n', ["line 3", "'present', 'absent', 'not recorded'"]),
        ('[[rule]]\nutm_source = "x"\n', ["line 1, rule 1: 'channel' must name the channel"]),
        ('[[rule]]\nchannel = ""\nutm_source = "x"\n', ["line 2", "'channel' must name the channel"]),
        (
            '[[rule]]\nchannel = "X"\nutm_source = "$socials"\n',
            ["line 3", "there is no list '$socials'; known here: $shop_hosts"],
        ),
        ('[lists]\nshop_hosts = ["a"]\n', ["line 2", "'shop_hosts' is the setting shop.hosts"]),
        ("[lists]\nhosts = [1]\n", ["line 2", "'hosts' must be a text or a list of texts"]),
        ('[[rules]]\nchannel = "X"\n', ["line 1", "unknown key 'rules'; did you mean 'rule'?"]),
        ('[[rule]]\nchannel = "X\n', ["channels.toml: not valid TOML", "line 2"]),
        ('[[rule]]\nchannel = "X"\nchannel = "Y"\n', ["not valid TOML", "line 3"]),
    ],
)
def test_a_mistake_is_named_with_its_file_line_and_rule_and_what_is_allowed(text: str, words: list[str]) -> None:
    with pytest.raises(RulesError) as caught:
        rules(text + LAST)
    for word in words:
        assert word in str(caught.value)


def test_the_mistake_is_found_in_the_rule_that_has_it() -> None:
    good = '[[rule]]\nchannel = "A"\nutm_source = "a"\n\n'
    with pytest.raises(RulesError, match=r"line 11, rule 3 \(A\): 'utm_source' must be"):
        rules(good + good + good.replace('"a"', "1") + LAST)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(RulesError) as caught:
        rules('[[rule]]\nchannel = "A"\nfoo = 1\n[[rule]]\nchannel = "B"\nbar = 2\n' + LAST)
    first, second = str(caught.value).splitlines()
    assert "line 3, rule 1 (A): unknown key 'foo'" in first
    assert "line 6, rule 2 (B): unknown key 'bar'" in second


def test_the_last_rule_must_match_everything() -> None:
    with pytest.raises(RulesError, match=r"line 1, rule 1 \(A\): the last rule must have no condition"):
        rules('[[rule]]\nchannel = "A"\nquery_has = "x"\n')


def test_only_the_last_rule_may_match_everything() -> None:
    with pytest.raises(RulesError, match=r"line 1, rule 1 \(A\): a rule without conditions matches everything"):
        rules('[[rule]]\nchannel = "A"\n' + LAST)


@pytest.mark.parametrize("text", ["", "# nothing", "rule = 7", "[rule]\nchannel = 'X'", "rule = []"])
def test_a_file_without_rules_is_an_error(text: str) -> None:
    with pytest.raises(RulesError, match="a rules file is a series of"):
        rules(text)


def test_rules_written_as_inline_tables_are_read_and_their_mistakes_named() -> None:
    assert channels([("/", None)], rules('rule = [{ channel = "A" }]')) == ["A"]
    with pytest.raises(RulesError, match=r"rule 1 \(A\): unknown key 'foo'"):
        rules('rule = [{ channel = "A", foo = 1 }, { channel = "B" }]')


def test_a_users_file_takes_the_place_of_the_built_in_rules(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[rule]]\nchannel = "Everything"\n', "utf-8")
    (tmp_path / "puffy.toml").write_text('[channels]\nrules_file = "mine.toml"\n', "utf-8")
    assert load_rules(load_settings("home", environment={})) == DEFAULT_RULES
    users = load_rules(load_settings("home", tmp_path / "puffy.toml", environment={}))
    assert channels([("/?gclid=1", None)], users) == ["Everything"]


def test_a_file_that_is_no_text_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    unreadable = load_settings("home", environment={"PUFFY_CHANNELS__RULES_FILE": f'"{tmp_path / "mine.toml"}"'})
    with pytest.raises(SettingsError, match=r"mine\.toml: cannot be read"):
        load_rules(unreadable)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
WORDS = st.sampled_from(
    ["utm_source", "utm_medium", "gclid", "=", "&", "?", "%", "%3D", "google", "https://", "puffy.com"]
)
URLS = TEXTS | st.lists(WORDS | TEXTS, max_size=8).map("".join)


@settings(deadline=None)
@given(st.lists(st.tuples(URLS, URLS | st.none() | st.just(NOT_RECORDED)), max_size=12))
def test_any_event_has_exactly_one_channel(visits: list[Visit]) -> None:
    names = {rule.channel for rule in DEFAULT_RULES.rules}
    found = channels(visits, DEFAULT_RULES)
    assert len(found) == len(visits)
    assert set(found) <= names


def test_the_example_in_the_documentation_is_a_valid_rules_file() -> None:
    documentation = Path(__file__).parents[2] / "docs" / "channel_rules.md"
    (example,) = re.findall(r"```toml\n(\[lists\].*?)```", documentation.read_text("utf-8"), re.DOTALL)
    visits: list[Visit] = [
        ("/", "https://www.sleep-reviews.example/"),
        ("/?utm_medium=audio&utm_campaign=2025-03", None),
    ]
    assert channels([*visits, ("/", None)], rules(example)) == ["Partners", "Podcast", "Direct"]
