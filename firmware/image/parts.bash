# What every part of the image builder asks: the board, its partitions, its inputs.

fail() {
    echo "image: $*" >&2
    exit 2
}

# The board file as JSON without comments in $board_json; $board, $arch, $kind.
board_read() { # BOARD
    board_json=$("${TAKT:-build/takt}" board show "$1" --json) || exit 2
    board=$(about .board) arch=$(about .arch) kind=$(about .flash.kind)
    [ -n "$arch" ] || fail "board $board does not say its \"arch\""
    for section in boot image linux; do
        [ "$(about "has(\"$section\")")" = true ] ||
            fail "board $board has no section \"$section\": there is nothing to build an image from"
    done
}

# One value of the board; "" when it is not there.
about() { jq -r "$@" <<<"$board_json" | sed 's/^null$//'; }

partition_has() { [ -n "$(partition_bytes "$1")" ]; }
partition_offset() { about --arg p "$1" '.flash.partitions[] | select(.name == $p) | .offset_bytes'; }
partition_bytes() { about --arg p "$1" '.flash.partitions[] | select(.name == $p) | .size_bytes'; }

# A part that does not fit is one line with both sizes.
fits() { # WHAT FILE PARTITION...
    local what=$1 bytes partition room
    bytes=$(stat -c %s "$2")
    shift 2
    for partition; do
        room=$(partition_bytes "$partition")
        [ "$bytes" -le "${room:-0}" ] ||
            fail "$what has $bytes bytes, partition $partition of board $board ${room:-0}"
    done
}

# Every input of the board: ${input[NAME]} is its path. All that are missing are listed, not the first.
declare -A input
inputs_find() {
    local name file package about where missing=0 path
    .ci/sysroot "$arch" image
    [ -z "$(about '.image.inputs[]? | select(.name == "kernel") | .package // ""')" ] ||
        .ci/sysroot "$arch" machine
    while IFS=$'\t' read -r name file package about; do
        if [ "$package" != - ]; then
            where="package $package"
            path=$(compgen -G "build/machine-$arch$file" || compgen -G "build/image-$arch$file" ||
                compgen -G "$file" || true)
        else
            where=${INPUTS:-no folder: say INPUTS=DIR}
            path=${INPUTS:+$(compgen -G "$INPUTS/$file" || true)}
        fi
        path=$(head -n 1 <<<"$path")
        if [ -n "$path" ]; then
            input[$name]=$path
            continue
        fi
        echo "image: board $board needs $name: $file ($about); looked in $where" >&2
        missing=1
    done < <(about '.image.inputs[]? | [.name, .file, .package // "-", .about] | @tsv')
    [ $missing = 0 ] || exit 2
}

# The kernel of Debian's packages, not one that was brought.
kernel_is_debians() { [[ ${input[kernel]:-} == build/machine-* ]]; }

# Signed with $key; $key_public goes into the image.
key_find() {
    key=${KEY:-build/image/development.key}
    if [ -z "${KEY:-}" ] && [ ! -e "$key" ]; then
        mkdir -p "$(dirname "$key")"
        "${TAKT:-build/takt}" bundle key --out "$key" >&2
    fi
    [ -r "$key" ] && [ -r "$key.pub" ] || fail "KEY=$key: that and $key.pub must be there"
    key_public=$key.pub
}

# Everything beneath a folder gets one time, so that archives of it do.
same_time() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }
