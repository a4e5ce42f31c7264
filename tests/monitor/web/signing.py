"""A service with people in it, asked as a browser and as a program would."""

import re
from dataclasses import dataclass
from datetime import timedelta

import httpx

from monitor.access import Actor, Grant, Right, on_host
from monitor.deps import Deps
from monitor.people import add_person, create_own_token, create_token, grant_role
from monitor.web.session import FIELD

PASSWORD = "correct horse battery"
ADMIN = on_host("root")


@dataclass
class Service:
    """A running service, its people and tokens."""

    deps: Deps
    url: str

    def person(self, name: str, *grants: Grant) -> None:
        add_person(name, ADMIN, self.deps, email=f"{name}@swa.example", password=PASSWORD)
        for grant in grants:
            grant_role(name, grant, ADMIN, self.deps)

    def token(self, name: str, *rights: Right, tenants: frozenset[str] = frozenset("*")) -> dict[str, str]:
        ends = self.deps.clock.now() + timedelta(days=30)
        token = create_token(name, frozenset(rights), tenants, ends, ADMIN, self.deps)
        return {"Authorization": f"Bearer {token}"}

    def own_token(self, name: str) -> dict[str, str]:
        """As somebody works on the command line."""
        ends = self.deps.clock.now() + timedelta(days=300)
        token = create_own_token(f"of {name}", ends, Actor(name, {}), self.deps)
        return {"Authorization": f"Bearer {token}"}

    def browser(self, **more: object) -> httpx.Client:
        return httpx.Client(base_url=self.url, trust_env=False, timeout=30, **more)

    def signed_in(self, name: str, leads_to: str = "/") -> httpx.Client:
        client = self.browser()
        answer = sign_in(client, name, leads_to=leads_to)
        assert (answer.status_code, answer.headers["location"]) == (303, leads_to), answer.text
        return client


def csrf(client: httpx.Client, path: str = "/") -> str:
    """The field that a form of this page carries."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get(path).text)
    return found[1] if found else ""


def sign_in(client: httpx.Client, login: str, password: str = PASSWORD, *, leads_to: str = "/") -> httpx.Response:
    """The form of the sign-in page, sent."""
    form = {FIELD: csrf(client, "/sign-in"), "login": login, "password": password, "next": leads_to}
    return client.post("/sign-in", data=form)
