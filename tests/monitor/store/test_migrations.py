"""The schema: migrated is what the tables say, twice is once, and a filled database keeps its rows (F69, F70)."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from nacl.signing import SigningKey
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from monitor.access import Grant, Right, Role
from monitor.errors import SchemaMismatch
from monitor.store import migrations
from monitor.store.engine import current_revision, newest_revision, open_engine, upgrade
from monitor.store.people import Person, Session, Token
from monitor.store.tables import Base
from monitor.store.unit import Store
from rules.findings import Kind
from rules.fleet import Cause
from rules.lifecycle import Event, Settlement, Step
from tests.monitor.store.made import NOW, asked, finding, finished, kept, registered, small, story

MIGRATIONS = Path(migrations.__file__).parent

#: What a later release may do to a table that others refer to: rebuilt on SQLite, altered on PostgreSQL.
LATER = '''
"""Targets have an owner."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"


def upgrade() -> None:
    with op.batch_alter_table("targets") as batch:
        batch.add_column(sa.Column("owner", sa.Text(), nullable=False, server_default="nobody"))
        batch.alter_column("title", existing_type=sa.Text(), nullable=True)
    with op.batch_alter_table("sweeps") as batch:
        batch.drop_constraint(batch.f("ck_sweeps_state"), type_="check")
        batch.create_check_constraint(
            batch.f("ck_sweeps_state"),
            "state in ('running','complete','partial','failed','skipped','poisoned','cancelled')",
        )
'''


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without a table on each engine."""
    if request.param == "sqlite":
        engine = open_engine(f"sqlite:///{tmp_path / 'monitor.db'}")
    else:
        engine = open_engine(request.getfixturevalue("postgres_url"))
        with engine.begin() as connection:
            connection.execute(text("drop schema public cascade"))
            connection.execute(text("create schema public"))
    yield engine
    engine.dispose()


def run(engine: Engine, act, *given, versions: Path | None = None):
    """An act of Alembic as the product calls it, on the migrations of the product or of a folder."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    if versions is not None:
        config.set_main_option("version_locations", str(versions))
        config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        return act(config, *given)


def rows(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            name: connection.execute(text(f"select count(*) from {name}")).scalar_one() for name in Base.metadata.tables
        }


def filled(engine: Engine) -> dict[str, int]:
    """Rows in every table."""
    store = Store(engine)
    target = registered(store)
    snapshot = kept(store, target, small())
    sweep = finished(store, target, NOW.replace(hour=20))
    with store.write() as unit:
        unit.findings.apply(target, Settlement((Step(Event.OPENED, finding()),), ()), sweep, NOW, "first")
        unit.alerts.queue(target, "swa-care", story(), "opened", NOW)
        unit.alerts.begin(unit.alerts.due(NOW)[0], NOW)
        unit.waivers.ask(asked())
        proposal, _ = unit.baselines.propose(target, snapshot, 0, "olga", "", NOW)
        unit.baselines.make(target, proposal, small(), "nisha", NOW, 0, 0)
        unit.snapshots.remember(target, unit.snapshots.memory(target))
        unit.audit.append(SigningKey(b"k" * 32), at=NOW, actor="nisha", tenant="swa", action="x", object="y")
        unit.counters.add("sweeps", {("swa",): 1})
        unit.leases.take("delivery", "w-1", NOW, NOW - NOW)
        unit.idempotency.begin("nisha", "POST /x", "k-1", "b3:1", NOW)
        unit.targets.pause_all(True, "olga", NOW)
        unit.fleet.make(Cause(Kind.DRIFT, "", "changed", "tax", "percentage"), "operators", NOW)
        unit.targets.keep_coverage(target, {"configuration": target.name})
        unit.people.put(Person("olga", None, None, "", "", NOW))
        unit.people.grant("olga", Grant(Role.ONBOARDING_LEAD, "swa"))
        unit.people.start(Session("h", "olga", "[]", NOW, NOW), NOW)
        unit.people.add_token(Token("ci", frozenset({Right.SEE}), frozenset({"swa"}), "olga", NOW, NOW), "h")
        unit.people.tried("olga", NOW - NOW, NOW)
        unit.shares.add(target.name, "h", "olga", NOW, NOW)
    found = rows(engine)
    assert [name for name, count in found.items() if not count] == [], "a table this test does not fill"
    return found


def test_a_migrated_database_is_what_the_tables_say(empty):
    upgrade(empty)
    run(empty, command.check)
    assert set(inspect(empty).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_migrating_twice_is_migrating_once(empty):
    assert upgrade(empty) == ("", newest_revision())
    before = filled(empty)
    assert upgrade(empty) == (newest_revision(), newest_revision())
    assert rows(empty) == before


def test_f69_another_schema_is_refused_with_both_revisions_and_the_command(empty):
    url = empty.url.render_as_string(hide_password=False)
    with pytest.raises(SchemaMismatch) as told:
        Store.open(url)
    assert str(told.value) == (
        f"database: the schema is missing, this program needs {newest_revision()}. Mend: smart360-monitor db upgrade"
    )
    upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(SchemaMismatch, match=f"the schema is 9999, this program needs {newest_revision()}"):
        Store.open(url)


def test_a_filled_database_keeps_every_row_when_a_table_others_refer_to_is_rebuilt(empty, tmp_path):
    upgrade(empty)
    before = filled(empty)
    versions = tmp_path / "versions"
    shutil.copytree(MIGRATIONS / "versions", versions, ignore=shutil.ignore_patterns("__pycache__"))
    (versions / "9999_owner.py").write_text(LATER.format(newest=newest_revision()))
    run(empty, command.upgrade, "head", versions=versions)
    assert current_revision(empty) == "9999"
    assert rows(empty) == before
    with empty.begin() as connection:
        assert connection.execute(text("select owner from targets")).scalar_one() == "nobody"
        connection.execute(text("update sweeps set state = 'cancelled'"))
    with pytest.raises(IntegrityError), empty.begin() as connection:
        connection.execute(text("delete from targets"))


def test_a_migration_that_fails_leaves_the_schema_as_it_was(empty, tmp_path):
    upgrade(empty)
    before = filled(empty)
    versions = tmp_path / "versions"
    shutil.copytree(MIGRATIONS / "versions", versions, ignore=shutil.ignore_patterns("__pycache__"))
    broken = LATER.format(newest=newest_revision()) + '    op.execute("update nothing set x = 1")\n'
    (versions / "9999_owner.py").write_text(broken)
    with pytest.raises(Exception, match="nothing"):
        run(empty, command.upgrade, "head", versions=versions)
    assert current_revision(empty) == newest_revision()
    assert rows(empty) == before
    run(empty, command.check)


def test_sqlite_keeps_watching_foreign_keys_after_a_migration(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'monitor.db'}", migrate=True)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("pragma foreign_keys").scalar() == 1
    store.close()


@pytest.mark.parametrize("path", sorted((MIGRATIONS / "versions").glob("[0-9]*.py")), ids=lambda path: path.stem)
def test_a_migration_says_why_and_whether_it_is_safe_and_imports_no_model_of_today(path):
    source = path.read_text()
    assert "Why: " in source
    assert "Safe " in source
    assert "10 million rows" in source
    assert "monitor" not in source.split('"""', 2)[2]


def test_migrations_form_one_line(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'monitor.db'}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1
    engine.dispose()
