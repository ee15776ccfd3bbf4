# A program on a terminal of its own, worked through tmux as a person would. Source it after suite.bash.
#   terminal_open COLUMNS LINES COMMAND...   shows TEXT   press KEY...   finger KEY...

# A server of its own for each: one that is ending refuses the next.
session=takt-terminal-$$ opened=0
trap 'tmux -L "$session-$opened" kill-server 2>/dev/null; suite_clean' EXIT
terminal_open() {
    local columns=$1 lines=$2
    shift 2
    tmux -L "$session-$opened" kill-server 2>/dev/null
    opened=$((opened + 1))
    tmux -L "$session-$opened" new-session -d -x "$columns" -y "$lines" "$* || sleep 60"
}
screen() { tmux -L "$session-$opened" capture-pane -p; }
shows() { screen | grep -qF -- "$1"; }
not_shows() { ! shows "$1"; }
press() { tmux -L "$session-$opened" send-keys "$@"; }
# As a finger: a key, then a pause that no scanner makes.
finger() { local k; for k in "$@"; do press "$k"; sleep 0.06; done; }
