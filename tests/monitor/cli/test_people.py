"""People and tokens on the command line, and where the service may listen."""

import pytest

from tests.command import command

STARTED = "2027-03-31T00:00:00Z"


def test_the_first_one_becomes_admin_and_the_next_may_do_nothing_until_granted(tmp_path):
    first = command(tmp_path, "people", "add", "Ada", "--local", "--as", "root", given=b"correct horse battery\n")
    assert (first.code, first.out) == (0, "ada may sign in, and is admin.\n")
    assert "until SMART360_LOCAL_ACCOUNTS=true" in first.err
    second = command(tmp_path, "people", "add", "olga", "--email", "Olga@swa.example", "--shown", "Olga Brandt")
    assert second.out == "olga may sign in.\n"
    told = command(tmp_path, "people", "grant", "olga", "onboarding-lead", "--on", "swa", "--until", "2027-03-31")
    assert told.out == "olga is onboarding lead on swa until 2027-03-31 00:00:00 UTC.\n"
    ada, olga = command(tmp_path, "people", "list", "--output", "json").report["people"]
    assert (ada["grants"], ada["signs_in"]) == ([{"role": "admin", "on": "*", "ends_at": None}], "password")
    assert (olga["email"], olga["grants"]) == (
        "olga@swa.example", [{"role": "onboarding lead", "on": "swa", "ends_at": STARTED}],
    )  # fmt: skip
    assert command(tmp_path, "people", "remove", "olga", "--role", "onboarding-lead", "--on", "swa").code == 0
    assert command(tmp_path, "people", "remove", "olga").code == 0
    assert len(command(tmp_path, "people", "list", "--output", "json").report["people"]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["people", "add", ""], "this is no name. Mend: Write olga.brandt."),
        (["people", "add", "token:ci"], "this is no name."),
        (["people", "add", "ada"], "ada is ada already. Mend: See: people list."),
        (["people", "add", "bob", "--email", "ADA"], "ada is ada already."),
        (["people", "add", "bob", "--local"], "a password has at least 12 characters. Mend: Take several words."),
        (["people", "grant", "nobody", "viewer"], "nobody is called so. Mend: See: people list."),
        (["people", "grant", "ada", "lead"], "there is no such role. Mend: Write one of: viewer, customer-success"),
        (["people", "grant", "ada", "admin", "--on", "swa"], "an admin is one on every tenant: write admin on *."),
        (["people", "grant", "ada", "viewer", "--on", "S W A"], "'S W A' is no tenant, group:<name> or *."),
        (["people", "grant", "ada", "viewer", "--until", "2020-01-01"], "it would have ended already."),
        (["people", "remove", "ada", "--role", "viewer"], "ada is no viewer on *."),
        (["token", "create", "x", "--scope", "approve"], "a token may do none or too much."),
        (["token", "create", "x", "--scope", "all"], "there is no such scope."),
        (["token", "create", "x", "--scope", "metrics", "--tenant", "swa"], "metrics and apply go over every tenant."),
        (["token", "create", "x", "--scope", "see", "--until", "2099-01-01"], "a token ends within a year."),
        (["token", "revoke", "x"], "no such token. Mend: See: token list."),
    ],
    ids=lambda each: " ".join(each)[:40] if isinstance(each, list) else "",
)
def test_what_cannot_be_made_so_is_said_with_what_would_be_right(tmp_path, words, said):
    command(tmp_path, "people", "add", "ada")
    told = command(tmp_path, *words, given=b"short\n")
    assert (told.code, said in told.err) == (2, True), told.err


def test_a_token_is_shown_once_and_its_end_and_last_use_are_listed(tmp_path):
    made = command(tmp_path, "token", "create", "prometheus", "--scope", "metrics", "--as", "ada")
    assert made.out.startswith("s360_")
    assert "it is not shown again" in made.err
    listed = command(tmp_path, "token", "list", "--output", "json")
    assert made.out.strip() not in listed.out
    (token,) = listed.report["tokens"]
    assert (token["scopes"], token["tenants"], token["created_by"], token["used_at"]) == (
        ["metrics"],
        ["*"],
        "ada",
        None,
    )
    assert made.out.strip().encode() not in b"".join(each.read_bytes() for each in (tmp_path / "state").glob("*"))
    assert command(tmp_path, "token", "revoke", "prometheus").code == 0
    assert "revoked" in command(tmp_path, "token", "list").out
    assert command(tmp_path, "token", "create", "prometheus", "--scope", "metrics").code == 2


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, "SMART360_OIDC_ISSUER, or SMART360_LOCAL_ACCOUNTS=true"),
        ({"SMART360_LOCAL_ACCOUNTS": "true", "SMART360_SIGN_IN": "optional"}, "SMART360_SIGN_IN=needed"),
        ({"SMART360_LOCAL_ACCOUNTS": "true"}, "SMART360_PUBLIC_URL to the https address"),
        ({"SMART360_LOCAL_ACCOUNTS": "true", "SMART360_PUBLIC_URL": "http://m.example"}, "SMART360_PUBLIC_URL"),
    ],
    ids=("nobody can sign in", "visitors", "no name", "no https"),
)
def test_the_service_listens_to_others_only_where_they_sign_in_protected(tmp_path, settings, missing):
    told = command(tmp_path, "serve", "--host", "0.0.0.0", **settings)
    assert (told.code, missing in told.err) == (2, True), told.err


@pytest.mark.parametrize(
    "settings",
    [
        {"SMART360_OIDC_ISSUER": "http://login.example", "SMART360_OIDC_CLIENT_ID": "m"},
        {"SMART360_OIDC_ISSUER": "https://login.example"},
        {"SMART360_OIDC_GROUPS": '{"leads": "onboarding leed on swa"}'},
        {"SMART360_OIDC_GROUPS": '{"leads": "admin on swa"}'},
    ],
    ids=("no https", "no client", "a role misspelt", "an admin of one tenant"),
)
def test_settings_of_the_sign_in_that_cannot_be_used_start_nothing(tmp_path, settings):
    assert command(tmp_path, "people", "list", **settings).code == 2
