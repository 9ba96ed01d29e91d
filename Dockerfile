# The hub's image: one for every service of docker-compose.yml.
# ONEMAP_BASE may name a digest or a mirror: --build-arg ONEMAP_BASE=python:3.11-slim-bookworm@sha256:…
ARG ONEMAP_BASE=python:3.11-slim-bookworm

# packages are installed here; compilers, caches and pip's own leftovers stay behind
FROM ${ONEMAP_BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock /tmp/requirements.lock
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --require-hashes -r /tmp/requirements.lock

FROM ${ONEMAP_BASE}
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH
COPY --from=build /opt/venv /opt/venv
COPY . /opt/onemap
# code and packages belong to root: what runs cannot change them
RUN useradd --create-home --uid 50000 onemap \
    && chmod -R go-w /opt/onemap \
    && install -d -m 0700 -o onemap -g onemap /var/lib/onemap /var/lib/onemap/airflow

ENV PYTHONPATH=/opt/onemap:/opt/onemap/dags/provider \
    ONEMAP_HOME=/var/lib/onemap \
    AIRFLOW_HOME=/var/lib/onemap/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/onemap/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/onemap/dags/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
USER onemap
WORKDIR /var/lib/onemap
VOLUME /var/lib/onemap
ENTRYPOINT []
CMD ["python", "-P", "-m", "cli", "--help"]
