# One image for `longhand migrate`, `longhand api` and `longhand worker`; docker-compose.yml names the command and the
# health check of each.

FROM python:3.11-slim-trixie AS build
WORKDIR /build
RUN python -m venv /opt/longhand
# The pinned dependencies come first, in a layer of their own: a change of the code does not install them again.
# Wheels only: there is no compiler here, and a source package would fail late and unclearly.
COPY requirements.lock requirements-dev.lock ./
RUN /opt/longhand/bin/pip install --no-cache-dir --only-binary :all: --no-deps --requirement requirements.lock
# The build tool is pinned as well; it stays behind in this stage.
RUN grep -h == requirements.lock requirements-dev.lock > pins.txt \
    && python -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir --constraint pins.txt hatchling
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY jobs jobs
COPY longhand longhand
COPY migrations migrations
COPY worker worker
# Without an index, so that the build fails when the lock lacks a package of `longhand-server[server]`; `pip check` fails it
# when two of them do not fit each other.
RUN /opt/build/bin/pip wheel --no-build-isolation --no-deps --wheel-dir dist . \
    && /opt/longhand/bin/pip install --no-cache-dir --no-index "$(echo dist/*.whl)[server]" && /opt/longhand/bin/pip check

FROM python:3.11-slim-trixie
RUN groupadd --system --gid 10001 longhand \
    && useradd --system --uid 10001 --gid longhand --home-dir /var/lib/longhand --create-home longhand \
    # A volume that is mounted here for the first time takes over the owner.
    && install -d -o longhand -g longhand -m 0700 /var/lib/longhand/files
COPY --from=build /opt/longhand /opt/longhand
ENV PATH=/opt/longhand/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/longhand
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 8440
# No shell in between: the process is number 1 and gets SIGTERM itself, on which the worker drains and the API closes.
CMD ["longhand", "--help"]
