# keep-ptxas.sh <compiler…>: runs it, keeps what ptxas says of kernels in <object>.ptxas, and shows the rest.
object=
previous=
for argument; do
  [ "$previous" != -o ] || object=$argument
  previous=$argument
done
"$@" 2> "$object.ptxas"
status=$?
grep -vE '^ptxas info|bytes stack frame,' "$object.ptxas" >&2
exit $status
