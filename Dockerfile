# The hub's image: one for every service of docker-compose.yml.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# third-party packages first: they change less often than the code
COPY requirements.lock /opt/onemap/requirements.lock
RUN pip install --require-hashes -r /opt/onemap/requirements.lock

COPY . /opt/onemap
RUN useradd --create-home --uid 50000 onemap && install -d -o onemap -g onemap /var/lib/onemap /var/lib/onemap/airflow

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
