# make run          starts everything on this machine, with sample data; NEW_DATABASE=yes empties
#                   the checkout's own database first
# make serve        starts the same processes as in production, without sample data
# make test         runs all tests
# make lint         checks style, types, imports, migrations, settings, OpenAPI, security, docs
# make clients      generates clients from the OpenAPI document and tests them
# make coverage     runs all tests and reports the lines and branches that they run
# make screenshots  takes the pictures of README and docs; `make run` must be running
# make bench        measures against other implementations; BENCH=--quick for a short run

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run serve test coverage lint clients client-tools screenshots bench clean

run: $(VENV)/installed
	@$(BIN)/python -m config.devserver.start --sample-data $(if $(NEW_DATABASE),--new-database)

serve: $(VENV)/installed
	@$(BIN)/python -m config.devserver.start

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

# Not part of `make test`, since tracing makes the tests slower.
coverage: $(VENV)/installed-dev
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/bandit --quiet --recursive --severity-level medium --configfile pyproject.toml .
	$(BIN)/python .ci/check_dependencies.py
	$(BIN)/python .ci/check_docs.py
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python .ci/check_migrations.py
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
	PUBLIC_URL=https://events.example.org ALLOWED_HOSTS=events.example.org \
	$(BIN)/python manage.py check --deploy --fail-level WARNING

clients: client-tools $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 0 config/tests/test_generated_clients.py

client-tools: .ci/clients/installed

screenshots: $(VENV)/installed-dev
	$(BIN)/python .ci/screenshots.py

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks --save .bench/results.md --plots .bench $(BENCH)

clean:
	rm -rf $(VENV) .ci/clients/.venv .ci/clients/node_modules .ci/clients/installed

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; set PYTHON=/path/to/python3." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-bench: benchmarks/requirements.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements-monitoring.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Development tools in an environment of their own, since the server does not need them.
.ci/clients/installed: .ci/clients/requirements.txt .ci/clients/package-lock.json | $(VENV)/bin/python
	$(BIN)/python -m venv .ci/clients/.venv
	.ci/clients/.venv/bin/python -m pip install --quiet --disable-pip-version-check \
		-r .ci/clients/requirements.txt
	@if command -v npm > /dev/null; then \
		npm ci --prefix .ci/clients --silent --no-audit --no-fund; \
	else \
		echo "npm is not installed: the TypeScript client is not tested." >&2; \
	fi
	@touch $@
