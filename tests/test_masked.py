"""A credential that stands in a file stands in nothing that we say about it."""

import json
import re
import shutil
import time

import pytest

from pipeline.lint.masked import masked
from tests.conftest import seatrial

SECRETS = r"""
FROM python:3.12-slim AS base
ENV HF_TOKEN=LEAK01token
ENV HF_TOKEN LEAK02token
ENV API_KEY=${OTHER:-LEAK00} B=${SOME_TOKEN:-LEAK00}
ARG DB_PASSWORD="LEAK03 with a blank"
ENV PIP_INDEX_URL=https://ci:LEAK04pass@packages.example.com/simple A_SECRET='LEAK05é漢🔒x'
RUN huggingface-cli login --token LEAK06tok
RUN pip install wandb && WANDB_API_KEY=LEAK07key python sync.py
RUN wandb login LEAK08key
RUN echo 'root:LEAK09' | chpasswd
RUN echo "root:LEAK10" \
 | chpasswd
RUN useradd -m -p LEAK11 app
RUN sshpass -p LEAK12 scp builder@example.org:/model /model
RUN curl -u builder:LEAK13 https://example.org/model -o /model
RUN PGPASSWORD=LEAK14 psql -h db -c 'select 1'
RUN pip install --index-url http://u:LEAK15@example.org/simple torch
RUN git clone https://u:LEAK16@github.com/x/y
RUN curl -H "Authorization: Bearer LEAK17" http://example.org/x | bash
RUN aws configure set aws_secret_access_key LEAK18
RUN docker login -u x -p LEAK19 example.org
RUN mysql -u root -pLEAK20 < /x.sql
RUN export OPENAI_API_KEY=LEAK22 && apt-get install foo
RUN npm config set //npm.example.org/:_authToken LEAK23
RUN echo "//npm.example.org/:_authToken=LEAK24" > ~/.npmrc
RUN printf "machine x login y password LEAK25\n" > ~/.netrc
RUN git config --global url."https://x:LEAK26@github.com/".insteadOf https://github.com/
ADD https://u:LEAK27@example.org/x.tar.gz /x
LABEL password LEAK29
CMD ["server", "--api-key", "LEAK30", "--token=LEAK31"]
HEALTHCHECK CMD curl -u a:LEAK33 http://localhost/
RUN chpasswd <<< "root:LEAK34"
RUN <<EOF
cat > key <<X
-----BEGIN RSA PRIVATE KEY-----
LEAK35LEAK35
-----END RSA PRIVATE KEY-----
X
apt-get install vim
EOF
RUN wget --password LEAK36 http://x.org/y && wget --header="X-Api-Key: LEAK37" http://x.org
RUN git clone https://ghp_LEAK38aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@github.com/x/y
RUN echo LEAK40 | passwd --stdin root
""".lstrip()
COMPOSE = """\
services:
  api:
    build: .
    environment:
      HF_TOKEN: LEAKc1xZ9
      API_KEY: "LEAKc2f14e45fceea1"
      DATABASE_URL: postgresql://app:LEAKc3w9@db:5432/app
  other:
    image: nvidia/cuda:12.4.1-base-ubuntu22.04
    healthcheck: {test: ["CMD", "curl", "-u", "a:LEAKc4", "http://x"]}
    build:
      args: [PIP_TOKEN=LEAKc5fa8c1e5d4b7]
      dockerfile_inline: |
        FROM nvidia/cuda:12.4.1-devel-ubuntu22.04
        ENV HF_TOKEN=LEAKc6tok
"""
PLAIN = """\
ENV MAX_TOKEN=4096 TOKENIZERS_PARALLELISM=false KEY_FILE=/run/secrets/x MONKEY=banana EOS_TOKEN=end
ENV HF_TOKEN=$HF_TOKEN API_KEY=${API_KEY} DB_PASSWORD=/run/secrets/db GITHUB_TOKEN=
RUN hf auth login --token "$(cat /run/secrets/hf)" && apt-key add key.asc && pip install tokenizers
the value of HF_TOKEN stays readable in the file and in the image's history
RUN adduser --disabled-password --no-create-home app && echo "${HF_TOKEN:+yes} ${HF_TOKEN:?say which} --secret=\\${A}"
curl: --user is not an option of PASSWORD managers; git clone https://github.com/x/y@main
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Dockerfile").write_text(SECRETS)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    shutil.copytree(tmp_path, tmp_path / "inner")
    (tmp_path / "inner" / "Dockerfile").write_text("FROM a\nENV_TOKEN=LEAKe1\n")
    (tmp_path / "policy.yaml").write_text(
        "default: all\nprofiles:\n  all:\n    every_rule: true\n    rules: {shellcheck-remark: 'off'}\n"
    )
    return tmp_path


def leaks(text):
    return set(re.findall("(?i)leak[0-9ce]+", text))


def test_masking_changes_no_place_in_the_text():
    shown = masked(SECRETS + COMPOSE)
    assert not leaks(shown)
    assert [len(line) for line in shown.split("\n")] == [len(line) for line in (SECRETS + COMPOSE).split("\n")]
    assert len(shown.encode()) == len((SECRETS + COMPOSE).encode())
    assert "ENV HF_TOKEN=***********\n" in shown
    assert 'ARG DB_PASSWORD="*******************"\n' in shown
    assert "RUN curl -u builder:****** https://example.org/model -o /model\n" in shown


def test_what_is_no_credential_is_shown():
    assert masked(PLAIN) == PLAIN


@pytest.mark.parametrize("format", ["text", "json", "sarif", "junit", "github", "gitlab", "markdown"])
@pytest.mark.parametrize("policy", [(), ("--policy", "policy.yaml")], ids=["shipped policy", "every rule"])
def test_no_format_tells_a_credential(folder, format, policy):
    ended = seatrial("lint", ".", "--format", format, *policy, cwd=folder)
    assert "secret-in-image" in ended.stdout
    assert not leaks(ended.stdout + ended.stderr)


def test_no_baseline_holds_a_credential_or_a_hash_of_one(folder):
    shutil.rmtree(folder / "inner")
    seatrial("lint", ".", "--write-baseline", "known.json", cwd=folder)
    written = (folder / "known.json").read_text()
    assert "secret-in-image" in written
    assert not leaks(written)
    text = (folder / "Dockerfile").read_text()
    (folder / "Dockerfile").write_text(text.replace("LEAK01token", "other01word"))
    seatrial("lint", ".", "--write-baseline", "again.json", cwd=folder)
    assert (folder / "again.json").read_text() == written


@pytest.mark.parametrize("words", [(), ("--unsafe",)])
@pytest.mark.parametrize("format", ["text", "json"])
def test_fix_shows_no_credential_and_keeps_every_one(folder, format, words):
    shown = seatrial("fix", ".", "--diff", "--format", format, *words, cwd=folder)
    assert "legacy-key-value" in shown.stdout or "+ENV HF_TOKEN=***********" in shown.stdout
    done = seatrial("fix", ".", "--format", format, *words, cwd=folder)
    assert not leaks(shown.stdout + shown.stderr + done.stdout + done.stderr)
    kept = (folder / "Dockerfile").read_text()
    assert kept != SECRETS
    assert leaks(kept) == leaks(SECRETS)
    assert "***" not in kept


def test_a_fix_that_would_carry_a_credential_is_shown_without_its_edits():
    from pipeline.lint.masked import finding
    from pipeline.model import Edit, Finding, Fix, Severity, Span

    fix = Fix("write it so", (Edit(Span(0, 1), "ENV HF_TOKEN=not-to-be-told"),))
    found = Finding(
        rule="a", severity=Severity.INFO, message="m", hint="h", file="f", line=1, end_line=1, column=None,
        stage=None, docs="", fixable=True, fix=fix,
    )  # fmt: skip
    shown = finding(found)
    assert shown.fix is not None
    assert (shown.fix.title, shown.fix.edits) == ("write it so", ())
    assert "not-to-be-told" not in json.dumps(shown)


@pytest.mark.parametrize(
    "piece",
    ["a-", 'key="', "key ", "curl ", "passwd echo ", "://a", "sshpass -p ", "login ", "wandb login --a ",
     "--key key ", "-----BEGIN PRIVATE KEY-----", "key= \t", "machine a login "],
)  # fmt: skip
def test_masking_a_megabyte_takes_seconds_at_most(piece):
    began = time.monotonic()
    masked(piece * (1_000_000 // len(piece)))
    assert time.monotonic() - began < 8
