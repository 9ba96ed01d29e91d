"""The wire, without knowledge of what it carries.

http, quota, breaker         requests with retries, limits of rate, and a circuit breaker a host
signing, oauth               how a request proves who asks
stores, sftp                 where files lie
sql_engine, narrowing        SQL servers; rows that a statement cannot give all at once
broker, mqtt_publisher, spool    MQTT: a session, messages to send, messages that wait on disk
"""
