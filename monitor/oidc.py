"""Single sign-on by OpenID Connect: authorization code with PKCE. The only file that asks an issuer."""

from collections.abc import Mapping
from datetime import datetime
from secrets import token_urlsafe
from typing import Any, Final
from warnings import catch_warnings, simplefilter

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

with catch_warnings():  # Authlib tells of a successor of httpx, and insists once its own module is there
    import authlib.deprecate  # noqa: F401

    simplefilter("ignore")
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import OAuth2Client
    from authlib.oidc.core import CodeIDToken

from monitor.errors import NotSignedIn
from monitor.people import Identity, Start
from monitor.secrets import resolve
from monitor.settings import Settings

PATIENCE_S: Final = 10
LEEWAY_S: Final = 60
#: Signatures that only the issuer can make; ``none`` and shared secrets are no proof of it.
ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]


def begin(settings: Settings, redirect_uri: str, leads_to: str) -> tuple[Start, str]:
    """What is to be kept until the person comes back, and the issuer's address to send him to.

    Raises:
        NotSignedIn: the issuer does not answer.
    """
    start = Start(token_urlsafe(), token_urlsafe(), token_urlsafe(48), leads_to)
    with _client(settings, redirect_uri) as client:
        described = _described(client, settings)
        address, _ = client.create_authorization_url(
            described["authorization_endpoint"], state=start.state, code_verifier=start.verifier, nonce=start.nonce
        )
    return start, str(address)


def finish(settings: Settings, redirect_uri: str, start: Start, answer: Mapping[str, str], now: datetime) -> Identity:
    """Who comes back: the code is exchanged, and the ID token's signature, issuer, audience, times and nonce checked.

    Args:
        start: as kept by this browser's session.
        answer: the query of the way back.

    Raises:
        NotSignedIn: anything of it is not as it has to be.
    """
    if answer.get("state") != start.state or answer.get("iss", settings.oidc_issuer) != settings.oidc_issuer:
        raise NotSignedIn("This sign-in was not begun here.")
    if "code" not in answer:
        raise NotSignedIn("The single sign-on refused.", "Try again, or ask who runs it.")
    with _client(settings, redirect_uri) as client:
        described = _described(client, settings)
        try:
            token = client.fetch_token(
                described["token_endpoint"], grant_type="authorization_code", code=answer["code"],
                code_verifier=start.verifier,
            )  # fmt: skip
            keys = client.request("GET", described["jwks_uri"], withhold_token=True).raise_for_status().json()
            decoded = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=ALGORITHMS)
            claims = CodeIDToken(
                decoded.claims, decoded.header,
                options={"iss": {"essential": True, "value": settings.oidc_issuer},
                         "aud": {"essential": True, "value": settings.oidc_client_id}},
                params={"nonce": start.nonce, "client_id": settings.oidc_client_id,
                        "access_token": token.get("access_token")},
            )  # fmt: skip
            claims.validate(now=int(now.timestamp()), leeway=LEEWAY_S)
        except httpx.HTTPError as error:
            raise _unreachable(error) from None
        except (OAuthError, JoseError, ValueError, KeyError, TypeError):
            raise NotSignedIn("The single sign-on did not prove who you are.") from None
    groups = claims.get(settings.oidc_groups_claim)
    email = str(claims.get("email") or "").casefold() if claims.get("email_verified") is True else ""
    return Identity(
        f"{settings.oidc_issuer} {claims['sub']}", email or None, str(claims.get("name") or email or claims["sub"]),
        tuple(map(str, groups)) if isinstance(groups, list) else (),
    )  # fmt: skip


def _client(settings: Settings, redirect_uri: str) -> OAuth2Client:
    secret = settings.oidc_client_secret
    return OAuth2Client(
        settings.oidc_client_id,
        resolve(secret, where="SMART360_OIDC_CLIENT_SECRET").reveal() if secret else None,
        scope="openid profile email groups", redirect_uri=redirect_uri, code_challenge_method="S256",
        timeout=PATIENCE_S, follow_redirects=False,
    )  # fmt: skip


def _described(client: OAuth2Client, settings: Settings) -> Mapping[str, Any]:
    address = f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        found: dict[str, Any] = client.request("GET", address, withhold_token=True).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise _unreachable(error) from None
    if found.get("issuer") != settings.oidc_issuer:
        raise NotSignedIn("The single sign-on names another issuer.", "Ask who runs this service.")
    return found


def _unreachable(error: Exception) -> NotSignedIn:
    return NotSignedIn(f"The single sign-on is not answering ({type(error).__name__}).", "Try again in a minute.")
