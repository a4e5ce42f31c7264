"""Errors of running the product."""

from datetime import datetime

from baselines.errors import InvalidInput, Smart360Error


class StoreError(Smart360Error):
    """The store could not do it; nothing of the step was written."""

    code = "store_unavailable"
    exit_code = 3

    def __init__(self, kind: str, what: str, *, where: str, mend: str) -> None:
        super().__init__(what, where=where, mend=mend)
        self.kind = kind


class Moved(Exception):
    """Somebody else moved what a transaction rests on; nothing of it may stand, and it is tried again whole."""


class Fenced(StoreError):
    """Another worker took the sweep over; the late one writes nothing."""

    code = "fenced"

    def __init__(self, where: str) -> None:
        super().__init__("fenced", "the sweep was taken over by another worker.", where=where, mend="Nothing to do.")


class SchemaMismatch(StoreError):
    """The code and the database are of different versions (F69)."""

    code = "schema_mismatch"
    exit_code = 2

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(
            "schema", f"the schema is {found or 'missing'}, this program needs {wanted}.", where="database",
            mend="smart360-monitor db upgrade",
        )  # fmt: skip


class SecretMissing(Smart360Error):
    """A secret reference that leads nowhere; the value is never shown."""

    code = "secret_missing"


class SecretReference(Smart360Error):
    """Something written where a reference to a secret is due; it is not shown."""

    code = "secret_reference"


class UnknownTarget(Smart360Error):
    """No target of that name is registered."""

    code = "unknown_target"


class NotFound(Smart360Error):
    """No snapshot, baseline, proposal or finding of that name."""

    code = "not_found"


class NotAllowed(Smart360Error):
    """Who asks lacks the right."""

    code = "not_allowed"

    def __init__(self, right: str, name: str, tenant: str) -> None:
        where = "" if tenant == "*" else f" on {tenant}"
        super().__init__(f"{name} may not {right}{where}.", where=tenant, mend="Ask an admin for a role that may.")
        self.right, self.tenant = right, tenant


class NotSignedIn(Smart360Error):
    """Who asks could not show who he is; ``until`` where trying again is refused for a while."""

    code = "not_signed_in"

    def __init__(self, what: str, mend: str = "Try again.", *, until: datetime | None = None) -> None:
        super().__init__(what, where="sign-in", mend=mend)
        self.until = until


class InvalidAccess(Smart360Error):
    """A person, grant or token that cannot be made so; nothing was changed."""

    code = "invalid_access"


class TooOften(Smart360Error):
    """Asked more often than is allowed; ``after_s`` seconds later it may be asked again."""

    code = "too_often"

    def __init__(self, what: str, after_s: int, *, where: str) -> None:
        super().__init__(what, where=where, mend=f"Ask again in {after_s} s.")
        self.after_s = after_s


class InvalidTenantFile(InvalidInput):
    """A tenant file with mistakes; nothing of it was applied."""

    code = "invalid_tenant_file"


class ForeignAuditKey(Smart360Error):
    """This installation's key is not the one the audit log is signed with; signing with it would break the chain."""

    code = "foreign_audit_key"

    def __init__(self, ours: str, last: str) -> None:
        super().__init__(
            f"it is signed with key {last[:16]}…, and the key here is {ours[:16]}….", where="audit log",
            mend="Put the service's key into SMART360_AUDIT_KEY; to change keys: audit key --next REFERENCE.",
        )  # fmt: skip
