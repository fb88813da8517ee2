"""Defaults, then the user's file, then the environment; a wrong value stops at start and says what is allowed."""

from pathlib import Path

import pytest

from puffy_platform.settings import SettingsError, load_settings


def test_the_defaults_are_valid_and_complete(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, environment={})
    assert settings.sessions.timeout_minutes == 30
    assert settings.attribution.windows_days == (7, 14, 30)
    assert settings.landing == tmp_path / "landing"


def test_a_users_file_overrides_the_defaults_and_the_environment_overrides_the_file(tmp_path: Path) -> None:
    (tmp_path / "puffy.toml").write_text("[sessions]\ntimeout_minutes = 20\n[attribution]\nwindows_days = [14]\n")
    assert load_settings(tmp_path, environment={}).sessions.timeout_minutes == 20
    loud = load_settings(tmp_path, environment={"PUFFY_SESSIONS__TIMEOUT_MINUTES": "45"})
    assert loud.sessions.timeout_minutes == 45
    assert loud.attribution.windows_days == (14,)


def test_marketing_switches_from_7_to_14_days_with_one_variable(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, environment={"PUFFY_ATTRIBUTION__WINDOWS_DAYS": "[14]"})
    assert settings.attribution.longest_window_days == 14


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sessions]\ntimeout_minutes = 0", ["sessions.timeout_minutes = 0", "greater than or equal to 1"]),
        ("[sessions]\ntimeout_minute = 5", ["sessions.timeout_minute", "did you mean 'timeout_minutes'"]),
        ("[sesions]\ntimeout_minutes = 5", ["sesions", "did you mean 'sessions'"]),
        ("[shop]\ntime_zone = 'Mars/Base'", ["shop.time_zone = 'Mars/Base'", "IANA time zone"]),
        ("[orders]\nduplicate_policy = 'last'", ["orders.duplicate_policy", "'first' or 'keep_collisions'"]),
        (
            "[thresholds]\nmax_duplicate_share = 15",
            ["thresholds.max_duplicate_share = 15", "less than or equal to 1"],
        ),
        (
            "[ingest.aliases]\nclient_id = ['timestamp']",
            ["alias 'timestamp' of client_id already means timestamp"],
        ),
        (
            "[alerts.channels]\n'team:ingest' = 'data'",
            ["alerts.channels.team:ingest = 'data'", "should match pattern"],
        ),
        ("[channels]\nrules_file = 'nowhere.toml'", ["channels.rules_file", "nowhere.toml does not exist"]),
        ("home = '/x'", ["PUFFY_HOME"]),
        ("[sessions", ["not valid TOML", "puffy.toml"]),
    ],
)
def test_a_wrong_setting_is_named_with_its_source_and_what_is_allowed(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    (tmp_path / "puffy.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path, environment={})
    for word in words:
        assert word in str(caught.value)


def test_a_settings_file_that_is_not_there_is_an_error_only_when_it_was_named(tmp_path: Path) -> None:
    load_settings(tmp_path, environment={})
    with pytest.raises(SettingsError, match=r"missing\.toml does not exist"):
        load_settings(tmp_path, tmp_path / "missing.toml", environment={})


def test_a_rules_file_is_found_beside_the_settings_file_that_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "rules.toml").write_text("")
    (folder / "shop.toml").write_text("[channels]\nrules_file = 'rules.toml'\n")
    settings = load_settings(tmp_path / "home", folder / "shop.toml", environment={})
    assert settings.rules_file == folder / "rules.toml"


def test_a_fingerprint_changes_with_its_own_sections_and_with_no_other(tmp_path: Path) -> None:
    plain = load_settings(tmp_path, environment={})
    other = load_settings(tmp_path, environment={"PUFFY_SESSIONS__TIMEOUT_MINUTES": "31"})
    assert plain.fingerprint(("sessions",)) != other.fingerprint(("sessions",))
    assert plain.fingerprint(("attribution", "shop")) == other.fingerprint(("attribution", "shop"))
