"""docs/coverage.md: the other tools' lists are complete, and what it says is found here is found."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline.check import check
from pipeline.errors import BadFile
from pipeline.model import Context
from pipeline.parse import parse
from policies import RULES

PAGE = (Path(__file__).parents[1] / "docs" / "coverage.md").read_text(encoding="utf-8")
COUNTS = {"hadolint": 71, "BuildKit": 22, "Trivy": 28, "checkov": 28, "dockle": 16}
BY_ID = {rule.id: rule for rule in RULES}


class Row(NamedTuple):
    """A line of a table: the other tool's id, what it asks, and what answers it here."""

    tool: str
    id: str
    asks: str
    here: str

    @property
    def rules(self) -> tuple[str, ...]:
        return () if self.here.startswith("left out: ") else tuple(re.findall(r"`([a-z0-9-]+)`", self.here))


def rows() -> Iterator[Row]:
    for tool, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE):
        for line in re.findall(r"^\| (.*) \|$", body, re.MULTILINE):
            cells = [cell.strip() for cell in line.split(" | ")]
            if cells[0] != "Id":
                yield Row(tool, *cells)


ROWS = tuple(rows())

BASE = "FROM ubuntu:24.04\n"
RPM = "FROM rockylinux:9\n"
# One Dockerfile for each id that is broken in the way that it asks about, in hadolint's and BuildKit's words.
BROKEN: dict[str, str] = {
    "DL3000": "FROM pytorch/pytorch:2.8.0\nWORKDIR app\n",
    "DL3001": BASE + "RUN systemctl start app\n",
    "DL3002": BASE + "USER root\n",
    "DL3003": BASE + "RUN cd /src && make\n",
    "DL3004": BASE + "RUN sudo make install\n",
    "DL3006": "FROM debian\n",
    "DL3007": "FROM debian:latest\n",
    "DL3008": BASE + "RUN apt-get update && apt-get install -y --no-install-recommends git\n",
    "DL3009": BASE + "RUN apt-get update && apt-get install -y git\n",
    "DL3010": BASE + "COPY model.tar.gz /tmp/\nRUN tar xzf /tmp/model.tar.gz -C /model\n",
    "DL3011": BASE + "EXPOSE 80000\n",
    "DL3012": BASE + "HEALTHCHECK CMD /a\nHEALTHCHECK CMD /b\n",
    "DL3013": BASE + "RUN pip install numpy\n",
    "DL3014": BASE + "RUN apt-get update && apt-get install git\n",
    "DL3015": BASE + "RUN apt-get update && apt-get install -y git\n",
    "DL3016": BASE + "RUN npm install -g typescript\n",
    "DL3018": "FROM alpine:3.22\nRUN apk add --no-cache git\n",
    "DL3019": "FROM alpine:3.22\nRUN apk add git\n",
    "DL3020": BASE + "ADD app.py /srv/\n",
    "DL3021": BASE + "COPY a b /srv\n",
    "DL3022": BASE.replace("\n", " AS builder\n") + BASE + "COPY --from=bulder /out /out\n",
    "DL3023": BASE.replace("\n", " AS one\n") + "COPY --from=one /a /b\n",
    "DL3024": BASE.replace("\n", " AS one\n") * 2,
    "DL3025": BASE + "CMD python -m app\n",
    "DL3026": "FROM registry.example.org/base:1\n",
    "DL3027": BASE + "RUN apt install -y git\n",
    "DL3028": BASE + "RUN gem install bundler\n",
    "DL3029": "FROM --platform=linux/amd64 debian:12\n",
    "DL3030": RPM + "RUN yum install git\n",
    "DL3032": RPM + "RUN yum install -y git\n",
    "DL3033": RPM + "RUN yum install -y git && yum clean all\n",
    "DL3034": "FROM opensuse/leap:15.6\nRUN zypper install git\n",
    "DL3035": "FROM opensuse/leap:15.6\nRUN zypper --non-interactive dist-upgrade\n",
    "DL3036": "FROM opensuse/leap:15.6\nRUN zypper --non-interactive install git\n",
    "DL3037": "FROM opensuse/leap:15.6\nRUN zypper --non-interactive install git && zypper clean\n",
    "DL3038": RPM + "RUN dnf install git\n",
    "DL3040": RPM + "RUN dnf install -y git\n",
    "DL3041": RPM + "RUN dnf install -y git && dnf clean all\n",
    "DL3042": BASE + "RUN pip install numpy==2.3.0\n",
    "DL3043": BASE + "ONBUILD MAINTAINER Ada\n",
    "DL3044": BASE + "ENV A=/a B=$A/b\n",
    "DL3045": BASE + "COPY app app\n",
    "DL3046": BASE + "RUN useradd --uid 1000000000 app\n",
    "DL3047": BASE + "RUN wget https://example.org/model.bin\n",
    "DL3048": BASE + 'LABEL "team name"=vision\n',
    "DL3049": BASE,
    "DL3050": BASE + "LABEL wanted=1.0.0 other=1\n",
    "DL3051": BASE + 'LABEL team=""\n',
    "DL3052": BASE + "LABEL url=example\n",
    "DL3053": BASE + "LABEL rfc3339=yesterday\n",
    "DL3054": BASE + 'LABEL spdx="Apache 2"\n',
    "DL3055": BASE + "LABEL hash=main\n",
    "DL3056": BASE + "LABEL semver=one\n",
    "DL3057": BASE + "CMD [\"/serve\"]\n",
    "DL3058": BASE + "LABEL email=Ada\n",
    "DL3059": BASE + "RUN mkdir /a\nRUN mkdir /b\nRUN mkdir /c\n",
    "DL3060": "FROM node:22\nRUN yarn install\n",
    "DL3061": "RUN make\n" + BASE,
    "DL3062": "FROM golang:1.24\nRUN go install example.org/tool@latest\n",
    "DL3063": BASE.replace("\n", " AS scratch\n"),
    "DL3064": BASE + "ENV API_TOKEN=a8f3k2j4h5g6\n",
    "DL3065": "FROM --platform=$TARGETPLATFORM debian:12\n",
    "DL3066": BASE + "RUN useradd app\nUSER app\n",
    "DL3067": BASE.replace("\n", " AS one\n") + "FROM debian:12\nCOPY --from=one / /\n",
    "DL4000": BASE + "MAINTAINER Ada\n",
    "DL4001": BASE + "RUN apt-get update && apt-get install -y wget curl\n",
    "DL4003": BASE + "CMD [\"/a\"]\nCMD [\"/b\"]\n",
    "DL4004": BASE + "ENTRYPOINT [\"/a\"]\nENTRYPOINT [\"/b\"]\n",
    "DL4005": BASE + "RUN ln -sf /bin/bash /bin/sh\n",
    "DL4006": BASE + "RUN curl -fsSL https://example.org/list | sort > /list\n",
    "StageNameCasing": "FROM debian:12 AS Build\n",
    "FromAsCasing": "FROM debian:12 as build\n",
    "NoEmptyContinuation": BASE + "RUN make && \\\n\n    make install\n",
    "ConsistentInstructionCasing": BASE + "run make\n",
    "UndefinedArgInFrom": "FROM debian:$RELEASE\n",
    "UndefinedVar": BASE + "COPY app $PREFIX/\n",
    "LegacyKeyValueFormat": BASE + "ENV A b\n",
    "InvalidDefaultArgInFrom": "ARG BASE\nFROM $BASE\n",
    "CopyIgnoredFile": BASE + "COPY notes.md /\n",
    "ExposeProtoCasing": BASE + "EXPOSE 53/UDP\n",
    "ExposeInvalidFormat": BASE + "EXPOSE 127.0.0.1:80:80\n",
    "DS-0004": BASE + "EXPOSE 22\n",
    "DS-0017": BASE + "RUN apt-get update\nRUN apt-get install -y git\n",
    "DS-0024": BASE + "RUN apt-get update && apt-get dist-upgrade -y\n",
    "DS-0027": RPM + "RUN microdnf install -y git\n",
    "DS-0030": BASE + "WORKDIR /etc\n",
    "DS-0031": BASE + "COPY id_rsa /root/.ssh/\n",
    "CKV_DOCKER_3": BASE + 'CMD ["/serve"]\n',
    "CKV2_DOCKER_2": BASE + "RUN curl --insecure https://example.org/a -o /a\n",
    "CKV2_DOCKER_3": BASE + "RUN wget --no-check-certificate https://example.org/a\n",
    "CKV2_DOCKER_4": BASE + "RUN pip install --trusted-host example.org numpy\n",
    "CKV2_DOCKER_5": BASE + "ENV PYTHONHTTPSVERIFY=0\n",
    "CKV2_DOCKER_6": BASE + "ENV NODE_TLS_REJECT_UNAUTHORIZED=0\n",
    "CKV2_DOCKER_7": "FROM alpine:3.22\nRUN apk add --allow-untrusted a.apk\n",
    "CKV2_DOCKER_8": BASE + "RUN apt-get install -y --allow-unauthenticated git\n",
    "CKV2_DOCKER_9": RPM + "RUN yum install -y --nogpgcheck git\n",
    "CKV2_DOCKER_10": RPM + "RUN rpm -i --nosignature a.rpm\n",
    "CKV2_DOCKER_11": BASE + "RUN apt-get install -y --force-yes git\n",
    "CKV2_DOCKER_12": BASE + "ENV NPM_CONFIG_STRICT_SSL=false\n",
    "CKV2_DOCKER_13": BASE + "RUN npm config set strict-ssl false\n",
    "CKV2_DOCKER_14": BASE + "ENV GIT_SSL_NO_VERIFY=1\n",
    "CKV2_DOCKER_15": RPM + "RUN yum install -y --setopt=sslverify=false git\n",
    "CKV2_DOCKER_16": BASE + "ENV PIP_TRUSTED_HOST=example.org\n",
    "CKV2_DOCKER_17": BASE + "RUN echo app:letmein | chpasswd\n",
    "CIS-DI-0008": BASE + "RUN chmod u+s /usr/bin/tool\n",
    "DKL-DI-0002": BASE + "VOLUME /etc\n",
    "DKL-LI-0001": BASE + "RUN passwd -d root\n",
}  # fmt: skip
# What asks the same as another tool's check.
SAME = {
    "DuplicateStageName": "DL3024", "ReservedStageName": "DL3063", "JSONArgsRecommended": "DL3025",
    "MaintainerDeprecated": "DL4000", "WorkdirRelativePath": "DL3000", "MultipleInstructionsDisallowed": "DL4003",
    "RedundantTargetPlatform": "DL3065", "SecretsUsedInArgOrEnv": "DL3064",
    "FromPlatformFlagConstDisallowed": "DL3029",
    "DS-0001": "DL3007", "DS-0002": "DL3002", "DS-0005": "DL3020", "DS-0006": "DL3023", "DS-0007": "DL4004",
    "DS-0008": "DL3011", "DS-0009": "DL3000", "DS-0010": "DL3004", "DS-0011": "DL3021", "DS-0012": "DL3024",
    "DS-0013": "DL3003", "DS-0014": "DL4001", "DS-0015": "DL3032", "DS-0016": "DL4003", "DS-0019": "DL3040",
    "DS-0020": "DL3036", "DS-0021": "DL3014", "DS-0022": "DL4000", "DS-0023": "DL3012", "DS-0025": "DL3019",
    "DS-0026": "DL3057", "DS-0029": "DL3015",
    "CKV_DOCKER_1": "DS-0004", "CKV_DOCKER_2": "DL3057", "CKV_DOCKER_4": "DL3020", "CKV_DOCKER_5": "DS-0017",
    "CKV_DOCKER_6": "DL4000", "CKV_DOCKER_7": "DL3007", "CKV_DOCKER_8": "DL3002", "CKV_DOCKER_9": "DL3027",
    "CKV_DOCKER_10": "DL3000", "CKV_DOCKER_11": "DL3024", "CKV2_DOCKER_1": "DL3004",
    "CIS-DI-0001": "CKV_DOCKER_3", "CIS-DI-0006": "DL3057", "CIS-DI-0007": "DS-0017", "CIS-DI-0009": "DL3020",
    "CIS-DI-0010": "DS-0031", "DKL-DI-0001": "DL3004", "DKL-DI-0003": "DS-0024", "DKL-DI-0004": "DL3019",
    "DKL-DI-0005": "DL3009", "DKL-DI-0006": "DL3007",
}  # fmt: skip
LABELS = {name: name for name in ("url", "rfc3339", "spdx", "hash", "semver", "email")} | {"wanted": "semver"}
PARAMETERS: dict[str, dict[str, Any]] = {
    "untrusted-registry": {"allowed": ["docker.io"]},
    "missing-label": {"labels": ["wanted"]},
    "superfluous-label": {"labels": ["wanted"]},
    "invalid-label": {"labels": LABELS},
}


@pytest.mark.parametrize("tool", COUNTS)
def test_every_check_of_the_tool_is_on_the_page_once(tool: str) -> None:
    ids = [row.id for row in ROWS if row.tool == tool]
    assert len(ids) == len(set(ids)) == COUNTS[tool]


def test_there_are_no_other_tables() -> None:
    assert {row.tool for row in ROWS} == set(COUNTS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_line_has_an_answer(row: Row) -> None:
    assert row.asks
    if row.rules:
        assert set(row.rules) <= set(BY_ID), "no such rule"
    else:
        assert row.here == "parser" or re.fullmatch(r"left out: \S.{20,}", row.here)


@pytest.mark.parametrize("row", [row for row in ROWS if row.rules], ids=lambda row: row.id)
def test_what_a_line_says_is_found_is_found(row: Row, tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("*.md\n")
    (tmp_path / "notes.md").write_text("words\n")
    broken = parse(BROKEN[SAME.get(row.id, row.id)], path=str(tmp_path / "Dockerfile"))
    rules = [BY_ID[rule] for rule in row.rules]
    found = check(broken, rules, context=Context(folder=tmp_path), parameters=PARAMETERS)
    assert {finding.rule for finding in found} == set(row.rules)


@pytest.mark.parametrize("row", [row for row in ROWS if row.here == "parser"], ids=lambda row: row.id)
def test_what_a_line_leaves_to_the_parser_is_refused(row: Row) -> None:
    with pytest.raises(BadFile):
        parse(BROKEN[SAME.get(row.id, row.id)])


def test_no_example_is_for_a_check_that_the_page_leaves_out() -> None:
    answered = {row.id for row in ROWS if row.rules or row.here == "parser"}
    assert set(BROKEN) | set(SAME) == answered
