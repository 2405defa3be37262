# install.sh FILE PACKAGE...: installs Debian packages, unless FILE (a pattern) is there already.
set -eu
for file in $1; do
    if [ -e "$file" ]; then exit 0; fi
done
shift
if [ "$(id -u)" -eq 0 ]; then as_root=; else as_root=sudo; fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends "$@"
