# MLflow's own image with the PostgreSQL driver that it does not ship.
FROM ghcr.io/mlflow/mlflow:v3.17.2
RUN pip install --no-cache-dir psycopg2-binary==2.9.13
