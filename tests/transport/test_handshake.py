"""Who may connect, judged without a socket."""

import hmac
from http import HTTPStatus
from types import SimpleNamespace

import pytest
from websockets.datastructures import Headers

from onebot_bot.errors import ConfigError
from onebot_bot.transport import handshake
from onebot_bot.transport.handshake import (
    PATHS,
    Admission,
    Refusal,
    check_exposure,
    describe_token,
    judge,
    shown_path,
)

SECRET = "secret"
ASKED = {
    "/onebot/v11/ws",
    "/ws",
    "/",
    "/onebot/v11",
    "/OneBotv11",
    "/onebot",
    "/ws/event",
    "/ws/api",
}


def headers(**given: str) -> Headers:
    """Headers of account 10000; `_` in names stands for `-`."""
    return Headers({"X-Self-ID": "10000", **{name.replace("_", "-"): value for name, value in given.items()}})


def refusal(target: str, given: Headers, token: str = SECRET) -> HTTPStatus | None:
    """The status a request is refused with; None when it is admitted."""
    verdict = judge(target, given, token)
    return verdict.status if isinstance(verdict, Refusal) else None


@pytest.mark.parametrize("path", sorted(ASKED))
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_usual_path_is_served(path: str, slash: str) -> None:
    """What people have entered for other frameworks works, with and without the last slash."""
    target = path.rstrip("/") + slash or "/"
    assert Admission(10000, "universal", target, "") == judge(target, headers(), "")


def test_no_other_path_is_served() -> None:
    """The list of paths holds what it should and nothing else."""
    assert {path.rstrip("/") for path in ASKED} == PATHS


@pytest.mark.parametrize(
    "target", ["/v11", "/onebot/v11/wss", "/onebot/v12", "/ws/x", "/metrics", "//evil", "http://[::1"]
)
def test_an_unknown_path_is_not_found(target: str) -> None:
    """A path nobody serves is a 404, even when everything else is right."""
    assert refusal(target, headers(Authorization="Bearer secret")) == HTTPStatus.NOT_FOUND


def test_a_whole_url_as_target_is_understood() -> None:
    """A forward proxy may send the whole URL."""
    assert refusal("http://bot.lan:6790/ws?access_token=secret", headers()) is None


@pytest.mark.parametrize(
    ("target", "authorization"),
    [
        ("/ws", "Bearer secret"),
        ("/ws", "bearer  secret "),
        ("/ws", "Token secret"),
        ("/ws?access_token=secret", None),
        ("/ws?x=1&access_token=secret", None),
        ("/ws?access_token=secret", "Bearer"),
        ("/ws?access_token=secret", "Bearer "),
        ("/ws?access_token=secret", "Token"),
    ],
)
def test_the_right_token_is_taken_from_wherever_clients_put_it(target: str, authorization: str | None) -> None:
    """Both schemes and the query count; an empty header falls back to the query."""
    given = headers() if authorization is None else headers(Authorization=authorization)
    assert refusal(target, given) is None


@pytest.mark.parametrize(
    ("target", "authorization"),
    [
        ("/ws", None),
        ("/ws", "Bearer"),
        ("/ws", "Bearer Secret"),
        ("/ws", "Bearer secret2"),
        ("/ws", "Basic secret"),
        ("/ws", "secret"),
        ("/ws?access_token=", None),
        ("/ws?access_token=secre", None),
        ("/ws?access_token=secret", "Bearer wrong"),
    ],
)
def test_a_wrong_or_missing_token_is_unauthorized(target: str, authorization: str | None) -> None:
    """A token in the header that is wrong is not saved by the query."""
    given = headers() if authorization is None else headers(Authorization=authorization)
    assert refusal(target, given) == HTTPStatus.UNAUTHORIZED


def test_a_chinese_token_works_in_header_and_query() -> None:
    """Headers arrive decoded as ISO-8859-1, queries percent-encoded; both mean UTF-8."""
    in_header = headers(Authorization="Bearer " + "密码".encode().decode("latin-1"))
    assert refusal("/ws", in_header, "密码") is None
    assert refusal("/ws?access_token=%E5%AF%86%E7%A0%81", headers(), "密码") is None


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the answer takes says nothing of how much of a guess is right: every token goes through hmac's."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, right: bytes) -> bool:
        compared.append((given, right))
        return hmac.compare_digest(given, right)

    monkeypatch.setattr(handshake, "hmac", SimpleNamespace(compare_digest=compare))
    for given in ("secret", "secre", "x", ""):
        judge("/ws", headers(Authorization=f"Bearer {given}"), SECRET)
    assert compared == [(given, b"secret") for given in (b"secret", b"secre", b"x", b"")]


def test_without_a_token_any_client_is_admitted() -> None:
    """An empty token asks for none and minds none."""
    assert refusal("/ws", headers(Authorization="Bearer whatever"), token="") is None


@pytest.mark.parametrize("self_id", ["", "0", "-5", "10000x", "1e4", "²³", " ", "9" * 20])
def test_an_invalid_self_id_is_a_bad_request(self_id: str) -> None:
    """Without the account's number nothing can be routed."""
    assert refusal("/ws", Headers({"X-Self-ID": self_id}), token="") == HTTPStatus.BAD_REQUEST


def test_a_missing_self_id_is_a_bad_request() -> None:
    """No header at all is as bad as an empty one."""
    assert refusal("/ws", Headers(), token="") == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    ("sent", "role"),
    [
        ("Universal", "universal"),
        ("API", "api"),
        ("api", "api"),
        ("Event", "event"),
        ("eVENT", "event"),
        ("", "universal"),
        ("other", "universal"),
    ],
)
def test_roles_are_read_whatever_their_case(sent: str, role: str) -> None:
    """go-cqhttp opens API and Event apart; the rest is universal."""
    verdict = judge("/ws", headers(x_client_role=sent), "")
    assert isinstance(verdict, Admission)
    assert role == verdict.role


def test_a_repeated_header_counts_once() -> None:
    """The first one counts, and nothing breaks."""
    given = headers()
    given["X-Self-ID"] = "20000"
    verdict = judge("/ws", given, "")
    assert isinstance(verdict, Admission)
    assert verdict.self_id == 10000


def test_nothing_that_is_logged_holds_the_token() -> None:
    """What is said about a refused request names where a token was, never the token."""
    target, given = "/wrong?access_token=hunter2", headers(Authorization="Bearer hunter3")
    verdict = judge(target, given, "hunter4")
    assert isinstance(verdict, Refusal)
    said = f"{verdict.cause} {shown_path(target)} {describe_token(target, given)}"
    assert "hunter" not in said


@pytest.mark.parametrize(
    ("target", "given", "where"),
    [
        ("/ws", headers(), "none"),
        ("/ws", headers(Authorization="Bearer"), "none"),
        ("/ws", headers(Authorization="Token x"), "in the header"),
        ("/ws?access_token=x", headers(Authorization="Bearer"), "in the query"),
    ],
)
def test_the_place_of_the_token_is_told(target: str, given: Headers, where: str) -> None:
    """Somebody who looks for a lost token learns where one arrived."""
    assert where == describe_token(target, given)


def test_a_path_cannot_forge_log_lines() -> None:
    """Control characters are shown escaped."""
    assert shown_path("/ws\x1b[2J\n") == r"'/ws\x1b[2J\n'"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.2", "bot.lan", "localhost.evil.example"])
def test_a_reachable_address_needs_a_token(host: str) -> None:
    """The refusal to start names both keys."""
    with pytest.raises(ConfigError, match=r"server\.token .*server\.host"):
        check_exposure(host, "")


@pytest.mark.parametrize(
    ("host", "token"),
    [("127.0.0.1", ""), ("127.3.2.1", ""), ("::1", ""), ("localhost", ""), ("0.0.0.0", "secret")],
)
def test_loopback_or_a_token_is_enough(host: str, token: str) -> None:
    """Either this machine only, or a token."""
    check_exposure(host, token)
