-- Who may do what. DB_USER, the user of the backend and the trainer, reads and writes rows and can do nothing else;
-- everything belongs to whoever runs this. db/migrate.sh runs it each time, so that a new password in .env is taken.

\set ON_ERROR_STOP on
\getenv app_user DB_USER
\getenv app_password DB_PASSWORD
SET client_min_messages = error; -- GRANT and REVOKE warn where somebody else has seen to it already

SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :'app_user') AS role_exists,
       coalesce((SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = :'app_user'), false)
           AND :'app_user' <> current_user AS too_mighty,
       (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) AS can_create_roles,
       :'app_user' = current_user AS is_owner \gset
\if :too_mighty
    DO $$ BEGIN RAISE 'DB_USER names a role that can create databases or roles. Choose another name in .env: it is made for you.'; END $$;
\elif :is_owner
    -- a database of one's own with a single user: it owns the tables, and nothing can be taken from it
\elif :role_exists
    \if :can_create_roles
        ALTER ROLE :"app_user" LOGIN PASSWORD :'app_password';
        -- every role may change its own settings: to be read-only, for example
        ALTER ROLE :"app_user" RESET ALL;
        ALTER ROLE :"app_user" IN DATABASE :"DBNAME" RESET ALL;
    \endif
\elif :can_create_roles
    CREATE ROLE :"app_user" LOGIN PASSWORD :'app_password';
\else
    DO $$ BEGIN RAISE 'This user may not create roles. As an administrator of that server, create DB_USER with DB_PASSWORD: CREATE ROLE ... LOGIN PASSWORD ''...'''; END $$;
\endif

\if :is_owner
\else
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    REVOKE TEMPORARY ON DATABASE :"DBNAME" FROM PUBLIC;
    -- large objects, which belong to whoever makes them; only a superuser may forbid it
    SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure)
    FROM pg_proc
    WHERE proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import')
          AND pronamespace = 'pg_catalog'::regnamespace AND pg_has_role(proowner, 'USAGE') \gexec
    -- the server's own databases, unless it has others than ours, whose users may need them
    SELECT format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', datname)
    FROM pg_database
    WHERE datname IN ('postgres', 'template1') AND datname <> current_database() AND pg_has_role(datdba, 'USAGE')
          AND NOT EXISTS (SELECT FROM pg_database
                          WHERE datname NOT IN ('postgres', 'template0', 'template1', current_database())) \gexec
    GRANT CONNECT ON DATABASE :"DBNAME" TO :"app_user";
    GRANT USAGE ON SCHEMA public TO :"app_user";
    GRANT SELECT, INSERT, UPDATE, DELETE ON submissions, undone, predictions, races, race_readings, rate_limits,
        rate_limit_salts TO :"app_user";
    -- networks stay as they were stored, and promotions are never deleted; LOCK TABLE needs UPDATE
    REVOKE UPDATE, DELETE ON models, promotions FROM :"app_user"; -- granted by earlier releases
    GRANT SELECT, INSERT, UPDATE (card, verdict, reference, reference_end) ON models TO :"app_user";
    GRANT SELECT, INSERT, UPDATE ON promotions TO :"app_user";
    GRANT SELECT, INSERT, UPDATE, DELETE ON retrainings, procrastinate_jobs, procrastinate_events,
        procrastinate_periodic_defers, procrastinate_workers TO :"app_user";
    -- which bigserial counts with; identity columns need no right
    GRANT USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_events_id_seq, procrastinate_periodic_defers_id_seq
        TO :"app_user";
    GRANT SELECT ON schema_migrations, prediction_accuracy, digit_statistics TO :"app_user";
\endif
