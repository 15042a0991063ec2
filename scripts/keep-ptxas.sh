# keep-ptxas.sh <compute_80|compute_> <compiler…>: runs it, keeps what ptxas says of kernels in <object>.ptxas, and the PTX of
# the pass that is named, if one is, in <object>.ptx; shows the rest.
pass=$1
shift
object=
previous=
for argument; do
  [ "$previous" != -o ] || object=$argument
  previous=$argument
done
if [ "$pass" != compute_ ]; then
  mkdir -p "$object.kept"
  set -- "$@" --keep --keep-dir "$object.kept"
fi
"$@" 2> "$object.ptxas"
status=$?
if [ "$pass" != compute_ ]; then
  if [ $status -eq 0 ]; then
    # The file of a pass is named by it, unless the pass is the only one.
    kept=$(ls "$object.kept/"*".$pass.ptx" 2> /dev/null || ls "$object.kept/"*.ptx)
    mv "$kept" "$object.ptx" || status=1
  fi
  rm -rf "$object.kept"
fi
grep -vE '^ptxas info|bytes stack frame,' "$object.ptxas" >&2
exit $status
