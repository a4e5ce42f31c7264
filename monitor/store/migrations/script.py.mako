"""${message}

Why: . Safe before or after the new code: . On 10 million rows: .
There is no way down: what a newer program wrote is kept by a backup, not by dropping it.
"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
