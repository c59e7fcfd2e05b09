"""docker-compose.yml, read as data: seven services, one image, one command each, no secret."""

import re

import pytest
import yaml

from etftrader.deploy import programs
from etftrader.testing.services import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("web", "worker", "beat", "live", "quotes")
SECRET_NAMES = ("PASSWORD", "SECRET", "KEY", "_URL", "AUTH")


def test_the_services_are_the_seven_of_the_product():
    assert set(SERVICES) == {"postgres", "redis", *OURS}


def test_only_who_asks_for_live_quotes_starts_their_program():
    assert {name for name in SERVICES if "profiles" in SERVICES[name]} == {"quotes"}
    assert SERVICES["quotes"]["profiles"] == ["quotes"]


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_the_command_of_the_launcher(name):
    assert SERVICES[name]["command"] == programs.commands("0.0.0.0", 8000, quotes=True)[name]


def test_one_image_serves_all_programs():
    assert len({SERVICES[name]["image"] for name in OURS}) == 1
    assert {SERVICES[name]["build"]["dockerfile"] for name in OURS} == {
        "etftrader/deploy/Dockerfile"
    }


def test_there_is_one_beat():
    beats = [name for name in SERVICES if "beat" in SERVICES[name].get("command", [])]

    assert beats == ["beat"]
    assert "deploy" not in SERVICES["beat"]
    assert "scale" not in SERVICES["beat"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_with_a_time_limit(name):
    check = SERVICES[name]["healthcheck"]

    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries"} <= set(check)


@pytest.mark.parametrize("name", OURS)
def test_a_program_waits_for_healthy_stores_and_has_no_rights_to_spare(name):
    service = SERVICES[name]

    assert {wait["condition"] for wait in service["depends_on"].values()} == {"service_healthy"}
    assert set(service["depends_on"]) == {"postgres", "redis"}
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_comes_from_the_environment_or_the_start_is_refused(name):
    for key, value in SERVICES[name].get("environment", {}).items():
        if any(part in key for part in SECRET_NAMES):
            assert re.search(r"\$\{[A-Z_]+:\?[^}]+\}", value), key
            assert not re.search(r"://[^:/]+:[^$@]+@", value), key


def test_the_example_environment_names_every_required_variable_and_no_secret():
    required = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text()))
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    assert required <= set(example)
    for name in ("SECRET_KEY", "JWT_SIGNING_KEYS", "POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        assert example[name] == ""


def test_production_never_claims_to_be_the_launcher():
    assert all("ETF_EMBEDDED" not in SERVICES[name]["environment"] for name in OURS)


def test_the_three_stores_are_three_databases_and_work_is_never_evicted():
    environment = SERVICES["web"]["environment"]
    stores = {environment[name] for name in ("BROKER_URL", "CACHE_URL", "CHANNELS_URL")}
    command = SERVICES["redis"]["command"]

    assert len(stores) == 3
    assert command[command.index("--maxmemory-policy") + 1] == "volatile-lru"
    assert {"-flushall", "-flushdb", "-config", "-keys"} <= set(command)


def test_only_the_pages_are_published_and_only_on_the_loopback():
    published = {name: SERVICES[name]["ports"] for name in SERVICES if "ports" in SERVICES[name]}

    assert published == {"web": ["127.0.0.1:8000:8000"]}


def test_the_records_lie_on_a_volume():
    assert SERVICES["postgres"]["volumes"] == ["pgdata:/var/lib/postgresql/data"]
    assert "pgdata" in COMPOSE["volumes"]


def test_the_image_runs_as_an_ordinary_user_from_the_hash_locked_list():
    lines = (ROOT / "etftrader" / "deploy" / "Dockerfile").read_text().splitlines()

    assert "USER etftrader" in lines
    assert any("--require-hashes --only-binary=:all: --no-binary=mibian" in line for line in lines)
    assert not [line for line in lines if re.match(r"(ARG|ENV).*(SECRET|PASSWORD|TOKEN)", line)]
