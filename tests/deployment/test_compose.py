"""The compose file: its settings are settings, and its parts fit together."""

import ipaddress
import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from compose_spec import PyCompose

from realtime.server.descriptors import RESERVED
from realtime.server.workers import STOP_MARGIN_S
from realtime.settings.load import load
from realtime.settings.schema import Settings
from tests.deployment import compose
from tests.deployment.command import CONFIG, Command
from tests.deployment.places import FIRST, HOSTS, NETWORK, Places
from tests.deployment.provider_keys import provider_keys
from tests.support.programs import require

_HUBS: Final = ("hub1", "hub2")
_HARDENED: Final = ("hub1", "hub2", "worker", "store-init", "redis", "proxy")


def settings_of(command: Command, directory: Path) -> Settings:
    """What a command finds when it reads its settings."""
    places = Places(directory)
    production = (CONFIG / "production.toml").read_text(encoding="utf-8")
    places.write("/etc/realtime/realtime.toml", production)
    places.write("/run/secrets/vapid", provider_keys()["vapid"])
    _, environment = places.command(command)
    return load(environment["REALTIME_CONFIG"], environment)


def checked(document: dict[str, Any]) -> None:
    """Read a document as Compose does, by its specification. Raises ValueError."""
    # YAML's own merging of anchors is done by then; the library's is only shallow.
    PyCompose.from_json(json.dumps(document)).validate()


def test_the_file_is_right_by_the_specification() -> None:
    checked(compose.document())


def test_what_is_wrong_by_the_specification_is_found() -> None:
    for key, value in (
        ("stop_grace_perod", "45s"),
        ("networks", ["nowhere"]),
        ("stop_grace_period", "45 s"),
    ):
        document = compose.document()
        document["services"]["hub3"] = {"image": compose.OURS, key: value}
        with pytest.raises(ValueError, match=r"stop_grace_perod|nowhere|duration"):
            checked(document)


@pytest.mark.parametrize("name", compose.ours())
def test_every_variable_of_a_service_is_a_setting(name: str, tmp_path: Path) -> None:
    settings = settings_of(compose.command(name), tmp_path)
    assert settings.auth.hmac_secret is not None
    assert settings.auth.hmac_previous_secret is None
    assert len(settings.api.keys) == 1


@pytest.mark.parametrize("name", [*_HUBS, "worker"])
def test_what_push_needs_can_be_taken_from_its_comments(name: str, tmp_path: Path) -> None:
    before = settings_of(compose.command(name), tmp_path / "before")
    assert before.webpush.vapid_private_key is None
    settings = settings_of(compose.command(name, push=True), tmp_path / "after")
    assert settings.webpush.vapid_private_key is not None
    assert settings.webpush.vapid_subject is not None
    # What proves to FCM and APNs who sends is where it is sent from.
    files = {settings.fcm.credentials_file, settings.apns.key_file} - {None}
    assert len(files) == (2 if name == "worker" else 0)
    assert any(options.push for options in settings.namespaces.values())


def test_a_variable_that_is_no_setting_is_found(tmp_path: Path) -> None:
    command = compose.command("hub1")
    wrong = Command(
        where=command.where,
        host=command.host,
        argv=command.argv,
        environment={**command.environment, "REALTIME_SERVER__DRAIN": "10"},
    )
    with pytest.raises(Exception, match="REALTIME_SERVER__DRAIN"):
        settings_of(wrong, tmp_path)


@pytest.mark.parametrize("name", _HUBS)
def test_a_hub_has_time_to_drain(name: str, tmp_path: Path) -> None:
    settings = settings_of(compose.command(name), tmp_path)
    grace_s = compose.seconds(compose.services()[name]["stop_grace_period"])
    assert grace_s > settings.server.drain_s + STOP_MARGIN_S


@pytest.mark.parametrize("name", _HUBS)
def test_a_hub_has_descriptors_for_its_connections(name: str, tmp_path: Path) -> None:
    settings = settings_of(compose.command(name), tmp_path)
    limits = compose.services()[name]["ulimits"]["nofile"]
    assert limits["soft"] >= settings.server.connections_max + RESERVED
    assert limits["hard"] >= limits["soft"]


def test_the_hubs_share_a_store_and_a_bus_and_have_names_of_their_own(tmp_path: Path) -> None:
    one, other = (compose.command(name).environment for name in _HUBS)
    assert {key for key in one if one[key] != other[key]} == {"REALTIME_SERVER__NAME"}
    settings = settings_of(compose.command("hub1"), tmp_path)
    assert settings.store.url.startswith("mongodb://")
    assert settings.broker.url.startswith("redis://")


def test_hubs_and_workers_start_after_the_store_is_made() -> None:
    for name in (*_HUBS, "worker"):
        waits = compose.services()[name]["depends_on"]
        assert waits["store-init"] == {"condition": "service_completed_successfully"}
        assert waits["redis"] == waits["mongo"] == {"condition": "service_healthy"}


def test_who_is_waited_for_can_say_that_it_is_well() -> None:
    services = compose.services()
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "test" in services[name]["healthcheck"]


def test_every_service_comes_back_and_every_image_is_a_certain_one() -> None:
    for name, service in compose.services().items():
        assert service["restart"] == ("on-failure" if name == "store-init" else "unless-stopped")
        if service["image"] != compose.OURS:
            assert re.search(r":\d", service["image"]), service["image"]


def test_the_image_is_made_of_this_repository() -> None:
    for service in compose.ours().values():
        context = (CONFIG / service["build"]["context"]).resolve()
        assert (context / "pyproject.toml").exists()
        assert (context / service["build"]["dockerfile"]).resolve() == CONFIG / "Dockerfile"


@pytest.mark.parametrize("name", _HARDENED)
def test_what_can_be_taken_from_a_service_is(name: str) -> None:
    service = compose.services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")


def test_only_the_proxy_is_reached_from_outside_and_the_api_only_from_this_machine() -> None:
    published = {name: service.get("ports", []) for name, service in compose.services().items()}
    assert {name for name, ports in published.items() if ports} == {"proxy"}
    assert published["proxy"] == ["8080:8080", "127.0.0.1:9000:9000"]
    assert compose.document()["networks"]["data"]["internal"] is True
    for name in ("redis", "mongo", "store-init"):
        assert compose.services()[name]["networks"] == ["data"]
    # Which goes out to push providers, by a network that is no other's.
    users = [name for name, one in compose.services().items() if "providers" in one["networks"]]
    assert users == ["worker"]
    assert "data" in compose.services()["worker"]["networks"]


def test_addresses_are_those_that_the_hubs_are_told(tmp_path: Path) -> None:
    document = compose.document()
    subnet = ipaddress.ip_network(document["networks"]["front"]["ipam"]["config"][0]["subnet"])
    addresses = {
        name: service["networks"]["front"]["ipv4_address"]
        for name, service in compose.services().items()
        if "front" in service["networks"]
    }
    assert all(ipaddress.ip_address(address) in subnet for address in addresses.values())
    # As `places.py` has it.
    expected = {host: f"{NETWORK}.{number}" for number, host in enumerate(HOSTS, FIRST)}
    assert addresses == {name: expected[name] for name in ("proxy", *_HUBS)}
    trusted = compose.command("hub1").environment["REALTIME_SERVER__TRUSTED_PROXIES"]
    assert trusted == addresses["proxy"]


def test_everything_that_is_mounted_is_there() -> None:
    document = compose.document(push=True)
    assert document["services"]["proxy"]["volumes"] == ["./nginx.conf:/etc/nginx/nginx.conf:ro"]
    made = " ".join(
        re.findall(r"(?m)^#     (?:touch|openssl .* >) (.*)$", compose.COMPOSE.read_text())
    )
    for name in compose.ours():
        service = document["services"][name]
        secrets = service["secrets"]
        named = [value for value in service["environment"].values() if "/secrets/" in value]
        assert sorted(named) == sorted(f"/run/secrets/{secret}" for secret in secrets)
        for secret in secrets:
            assert document["secrets"][secret]["file"] == f"./secrets/{secret}"
            assert f"{CONFIG.name}/secrets/{secret}" in made.split()
    # So that nobody commits them.
    assert "secrets/" in (CONFIG / ".gitignore").read_text().splitlines()
    assert f"mkdir -m 700 -p {CONFIG.name}/secrets" in compose.COMPOSE.read_text()


def test_redis_keeps_nothing_and_has_an_end() -> None:
    options: dict[str, list[str]] = {}
    for word in compose.command("redis").argv[1:]:
        if word.startswith("--"):
            values = options.setdefault(word, [])
        else:
            values.append(word)
    assert (options["--save"], options["--appendonly"]) == ([""], ["no"])
    assert options["--maxmemory-policy"] == ["allkeys-lru"]
    assert options["--maxmemory"] == ["256mb"]
    assert options["--client-output-buffer-limit"][0] == "pubsub"


def run_mongo_check(state: str) -> dict[str, Any]:
    """Run the health check of MongoDB in Node, against a replica set that is in some state."""
    node = require("node", "apt-get install nodejs")
    (*_, program) = compose.health_check("mongo").argv
    around = f"""
        const seen = {{initiated: []}};
        const state = {json.dumps(state)};
        const rs = {{
          status() {{ if (state === 'new') throw new Error('NotYetInitialized'); }},
          initiate(given) {{ seen.initiated.push(given); }},
        }};
        const db = {{ hello: () => ({{isWritablePrimary: state === 'primary'}}) }};
        const quit = code => {{ seen.code = code; }};
        {program}
        console.log(JSON.stringify(seen));
    """
    done = subprocess.run([node, "-e", around], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize(
    ("state", "initiated", "code"), [("new", 1, 1), ("secondary", 0, 1), ("primary", 0, 0)]
)
def test_mongodb_is_made_a_replica_set_once_and_is_well_as_its_primary(
    state: str, initiated: int, code: int
) -> None:
    seen = run_mongo_check(state)
    assert (len(seen["initiated"]), seen["code"]) == (initiated, code)
    argv = compose.command("mongo").argv
    name = argv[argv.index("--replSet") + 1]
    member = f"mongo:{argv[argv.index('--port') + 1]}"
    for given in seen["initiated"]:
        assert given == {"_id": name, "members": [{"_id": 0, "host": member}]}
    url = compose.command("hub1").environment["REALTIME_STORE__URL"]
    assert url == f"mongodb://{member}/realtime?replicaSet={name}"


def test_the_proxy_asks_the_hubs_that_there_are() -> None:
    text = (CONFIG / "nginx.conf").read_text(encoding="utf-8")
    servers = re.findall(r"^\s*server (\w+):(\d+)", text, re.M)
    hubs = {name for name in compose.ours() if name.startswith("hub")}
    assert set(servers) == {(name, port) for name in hubs for port in ("8000", "9000")}
