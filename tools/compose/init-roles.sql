-- Run by psql once, as the superuser, when the volume of the PostgreSQL container is empty: makes the login roles with the
-- passwords of the environment (docker-compose.yml refuses to start without them), and the database. Tables and grants are the
-- business of the migrations, which run as farebox_owner.
\set ON_ERROR_STOP on
\getenv owner_password FAREBOX_OWNER_PASSWORD
\getenv app_password FAREBOX_APP_PASSWORD
\getenv writer_password FAREBOX_WRITER_PASSWORD
\getenv auditor_password FAREBOX_AUDITOR_PASSWORD

-- The statements carry passwords: keep them out of the server's log.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';

BEGIN;
-- The owner may create the roles that later migrations add. It is no superuser, so forced row-level security holds for it too.
CREATE ROLE farebox_owner LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE PASSWORD :'owner_password';
CREATE ROLE farebox_app LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'app_password';
CREATE ROLE farebox_writer LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'writer_password';
CREATE ROLE farebox_auditor LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'auditor_password';
COMMIT;

CREATE DATABASE farebox OWNER farebox_owner;
REVOKE ALL ON DATABASE farebox FROM PUBLIC;
GRANT CONNECT ON DATABASE farebox TO farebox_app, farebox_writer, farebox_auditor;
ALTER DATABASE farebox SET timezone TO 'UTC';
