# Sourced. require_packages <Debian package>=<command or file pattern> …: installs through apt what is not there yet.
require_packages() {
  local item package probe missing=()
  for item in "$@"; do
    package=${item%%=*} probe=${item#*=}
    if [[ $probe == /* ]]; then
      compgen -G "$probe" > /dev/null || missing+=("$package")
    else
      command -v "$probe" > /dev/null || missing+=("$package")
    fi
  done
  ((${#missing[@]})) || return 0
  if ! command -v apt-get > /dev/null; then
    echo "orthokit needs these first (names of Debian packages): ${missing[*]}" >&2
    return 1
  fi
  local sudo=()
  ((EUID == 0)) || sudo=(sudo)
  echo "Installing ${missing[*]}" >&2
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}
