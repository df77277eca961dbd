# The Python of the images and the Postgres of the database's in one, with what the quicker tests need: test_images.py.
FROM python:3.13-slim
# over Python's: both are of the same Debian
COPY --from=postgres:17 / /
COPY --from=ghcr.io/astral-sh/uv:0.13.8 /uv /bin/
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never

# without torch, which takes minutes, and so without the tests of training
WORKDIR /project
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=db/requirements-dev.txt,target=/pinned/db.txt \
    --mount=type=bind,source=frontend/requirements-dev.txt,target=/pinned/frontend.txt \
    --mount=type=bind,source=backend/requirements.txt,target=/pinned/backend.txt \
    --mount=type=bind,source=backend/requirements-dev.txt,target=/pinned/backend-dev.txt \
    for project in db frontend backend; do \
        uv venv --quiet $project/.venv && \
        uv pip sync --quiet --require-hashes --python $project/.venv /pinned/$project.txt || exit; \
    done && \
    uv pip install --quiet --python backend/.venv -c /pinned/backend-dev.txt httpx2 onnx pytest pytest-xdist

# what embedded.py needs; of Postgres, it takes the programs in POSTGRES_BIN
ENV UV_CACHE_DIR=/var/cache/uv
COPY db db
RUN uv run --quiet --script db/embedded.py --help >/dev/null
ENV POSTGRES_BIN=/usr/lib/postgresql/17/bin SERVE_BIN=/project/backend/.venv/bin UV=/bin/uv HOME=/tmp

COPY . .
RUN chown postgres . db backend frontend && chown -R postgres $UV_CACHE_DIR
USER postgres
