# A real RabbitMQ with its AMQP 1.0 plug-in, in a folder of its own, with ports and a node name of
# its own, as `nobody` when root starts it. Source it after suite.bash; then: rabbitmq_start,
# rabbitmq_crash, rabbitmq_stop. Plain AMQP is at $rabbitmq_port, TLS at $rabbitmq_tls_port.
rabbitmq=$(mktemp -d "${TMPDIR:-/tmp}/takt-rabbitmq.XXXXXX")
rabbitmq_pid=

rabbitmq_free_port() { # a port nobody has now, below those the system gives away
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return; }
    done
}
rabbitmq_port=$(rabbitmq_free_port) rabbitmq_tls_port=$(rabbitmq_free_port)
rabbitmq_dist_port=$(rabbitmq_free_port) rabbitmq_epmd_port=$(rabbitmq_free_port)

# An authority, and certificates of it: of the broker, and of station-1.
rabbitmq_keys() {
    local name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=factory \
        -keyout "$rabbitmq/ca.key" -out "$rabbitmq/ca.pem" || return 1
    for name in localhost station-1; do
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
            -keyout "$rabbitmq/$name.key" -out "$rabbitmq/$name.csr" &&
            openssl x509 -req -in "$rabbitmq/$name.csr" -CA "$rabbitmq/ca.pem" -CAkey "$rabbitmq/ca.key" \
                -CAcreateserial -days 2 -extfile <(echo "subjectAltName=DNS:$name") \
                -out "$rabbitmq/$name.pem" || return 1
    done
}

rabbitmq_configure() {
    cat >"$rabbitmq/rabbitmq.conf" <<C
listeners.tcp.1 = 127.0.0.1:$rabbitmq_port
listeners.ssl.1 = 127.0.0.1:$rabbitmq_tls_port
ssl_options.cacertfile = $rabbitmq/ca.pem
ssl_options.certfile = $rabbitmq/localhost.pem
ssl_options.keyfile = $rabbitmq/localhost.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
ssl_cert_login_from = common_name
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
load_definitions = $rabbitmq/definitions.json
log.console = true
log.file = false
C
    echo '[rabbitmq_amqp1_0,rabbitmq_auth_mechanism_ssl].' >"$rabbitmq/enabled_plugins"
    cat >"$rabbitmq/definitions.json" <<D
{ "users": [ { "name": "guest", "password": "guest", "tags": "" },
             { "name": "line", "password": "pass word", "tags": "" },
             { "name": "station-1", "password_hash": "", "tags": "" } ],
  "vhosts": [ { "name": "/" } ],
  "permissions": [ $(for user in guest line station-1; do
        printf '%s{ "user": "%s", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*" }' \
            "${comma-}" "$user"; comma=,; done) ],
  "queues": [ { "name": "full", "vhost": "/", "durable": true, "auto_delete": false,
                "arguments": { "x-max-length": 3, "x-overflow": "reject-publish" } } ] }
D
}

rabbitmq_launch() {
    local as=()
    [ "$(id -u)" = 0 ] && as=(setpriv --reuid nobody --regid nogroup --clear-groups)
    : >"$rabbitmq/log"
    [ "$(id -u)" = 0 ] && chown -R nobody:nogroup "$rabbitmq"
    env HOME="$rabbitmq" RABBITMQ_NODENAME="takt$rabbitmq_port@localhost" \
        RABBITMQ_DIST_PORT="$rabbitmq_dist_port" RABBITMQ_CONFIG_FILE="$rabbitmq/rabbitmq.conf" \
        RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_MNESIA_BASE="$rabbitmq/mnesia" \
        RABBITMQ_LOG_BASE="$rabbitmq" RABBITMQ_ENABLED_PLUGINS_FILE="$rabbitmq/enabled_plugins" \
        ERL_EPMD_PORT="$rabbitmq_epmd_port" ERL_EPMD_ADDRESS=127.0.0.1 \
        setsid "${as[@]}" /usr/lib/rabbitmq/bin/rabbitmq-server >"$rabbitmq/log" 2>&1 &
    rabbitmq_pid=$!
    until_true 180 grep -q "Server startup complete" "$rabbitmq/log" || {
        tail -n 30 "$rabbitmq/log"
        return 1
    }
}

rabbitmq_start() { rabbitmq_keys >"$rabbitmq/keys.log" 2>&1 && rabbitmq_configure && rabbitmq_launch; }
rabbitmq_kill() { # its whole process group: shell, Erlang machine, port programs
    [ -n "$rabbitmq_pid" ] && kill -KILL -- "-$rabbitmq_pid" 2>/dev/null
    wait "$rabbitmq_pid" 2>/dev/null
    rabbitmq_pid=
}
rabbitmq_crash() { rabbitmq_kill; rabbitmq_launch; }
rabbitmq_forget() { ERL_EPMD_PORT=$rabbitmq_epmd_port epmd -kill 2>/dev/null | grep -qi killed || ! ERL_EPMD_PORT=$rabbitmq_epmd_port epmd -names >/dev/null 2>&1; }
rabbitmq_stop() {
    rabbitmq_kill
    until_true 5 rabbitmq_forget # it stays while a node of its list is still ending
    rm -rf "$rabbitmq"
}
