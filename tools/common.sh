# shellcheck shell=bash
# What the other tools share: the repository root, setup, and one way to configure and build a preset.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

# setup <group>: installs what the group needs, unless FLASHTILE_NO_SETUP says that somebody else did.
setup() {
  [ -n "${FLASHTILE_NO_SETUP:-}" ] || "$root/tools/setup" "--$1"
}

# timed <what> COMMAND...: runs a command and says how long it took, by the clock and of processors (user and system).
timed() {
  local TIMEFORMAT
  TIMEFORMAT="$(basename "$0"): $1 took %0R s by the clock, %0U + %0S s of processors"
  time "${@:2}"
}

# counted <log>: what it reads goes to the log; a terminal also sees how far ninja is, in one line: [n/m].
counted() {
  local line
  if [ ! -t 2 ] || [ "${TERM:-dumb}" = dumb ]; then
    cat >> "$1"
    return
  fi
  while IFS= read -r line; do
    printf '%s\n' "$line" >> "$1"
    if [[ $line =~ ^\[[0-9]+/[0-9]+\] ]]; then
      printf '\r\033[K%s: %s' "${0##*/}" "${BASH_REMATCH[0]}" >&2
    fi
  done
  printf '\r\033[K' >&2
}

# build <preset> [cmake --build argument...]: configures and builds build/<preset>. Prints only what goes wrong, how long
# it took, and on a terminal how far it is.
build() { timed "building build/$1" build_quietly "$@"; }

build_quietly() {
  local preset=$1 log=build/$1.log launcher=()
  mkdir -p build
  if command -v ccache > /dev/null; then
    launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
  fi
  note "building build/$preset (log: $log)"
  : > "$log"
  if ! { cmake --preset "$preset" "${launcher[@]}" && cmake --build "build/$preset" "${@:2}"; } 2>&1 | counted "$log"; then
    grep -E -A12 'FAILED|error|Error' "$log" | head -80 >&2 || tail -40 "$log" >&2
    note "build/$preset failed; all of it is in $log"
    return 1
  fi
}

# note <text>: one line for people, on standard error.
note() {
  echo "$(basename "$0"): $*" >&2
}
