# Reads targets.tsv and the lines of JSON that gpu-check.sh wrote; prints the summary, writes result.json.
# A value of a flat JSON object, without its quotes; "" where it is missing.
function get(key,    at, rest, end) {
  at = index($0, "\"" key "\":")
  if (!at) return ""
  rest = substr($0, at + length(key) + 3)
  if (substr(rest, 1, 1) == "\"") {
    rest = substr(rest, 2)
    match(rest, /(^|[^\\])"/)
    end = RSTART + RLENGTH - 1
    return substr(rest, 1, end - 1)
  }
  match(rest, /^[^,}]*/)
  return substr(rest, 1, RLENGTH)
}
function cell(value, digits) { return value == "" || value == "null" ? "" : sprintf("%." digits "g", value) }
function number(value) { return value == "" ? "null" : value + 0 }
# GB/s, as the vendor states it.
function peak_of(name) {
  if (name ~ /H100 PCIe/) return 2000
  if (name ~ /H100 NVL/) return 3900
  if (name ~ /H100/) return 3350
  if (name ~ /H200/) return 4800
  if (name ~ /A100.*80GB/) return 1935
  if (name ~ /A100/) return 1555
  if (name ~ /L40S/) return 864
  if (name ~ /L4$/) return 300
  if (name ~ /RTX 4090/) return 1008
  if (name ~ /A10G?$/) return 600
  if (name ~ /T4/) return 320
  return 0
}
function short(text, most) { return length(text) > most ? substr(text, 1, most - 1) "…" : text }

FILENAME ~ /targets\.tsv$/ {
  if ($0 ~ /^#/ || $0 == "") next
  split($0, column, "\t")
  if (!(column[1] in unit)) names[++targets] = column[1]
  unit[column[1]] = column[4]
  goal[column[1]] = column[5]
  whose[column[1]] = column[6]
  next
}
FILENAME ~ /steps\.jsonl$/ {
  steps[++step_count] = sprintf("| %s | %s | %s | %s |", get("step"), get("status"), get("seconds"), short(get("reason"), 160))
  if (get("status") == "failed") ++failures
  step_json = step_json (step_json == "" ? "" : ",") $0
  next
}
FILENAME ~ /verify\.jsonl$/ {
  ++verified
  if (get("passed") != "true") wrong[++wrong_count] = get("op") ": " get("case")
  next
}
FILENAME ~ /targets\.jsonl$/ {
  name = get("target")
  reason = get("reason")
  gsub(/\\"/, "'", reason) # a cut must not fall into an escape
  if (reason != "") refused[name] = reason
  else best[name] += get("min_ms")
  rate[name] = get("gbps")
  copied[name] = get("ceiling\":{\"gbps")
  gpu = get("gpu") == "" ? gpu : get("gpu")
  next
}
FILENAME ~ /torch\.jsonl$/ { torch[get("op") " " get("case")] = get("min_ms"); next }
FILENAME ~ /time-own-products\.jsonl$/ { own[get("op") " " get("case")] = get("min_ms"); next }
FILENAME ~ /time\.jsonl$/ {
  key = get("op") " " get("case")
  ms = get("min_ms")
  gpu = get("gpu")
  blas = get("blas_core")
  isa = get("isa")
  row = sprintf("| `%s` | %s | %s | %s | %s | %s | %s | %s | %s | %s |", get("op"), short(get("shape"), 40), get("dtype"),
                cell(ms, 4), cell(get("gbps"), 3), cell(get("gflops"), 3), cell(get("ratio_to_floor"), 3),
                cell(get("ratio_to_baseline"), 3) " " get("baseline"),
                own[key] == "" || ms + 0 == 0 ? "" : cell(own[key] / ms, 3),
                torch[key] == "" || ms + 0 == 0 ? "" : cell(torch[key] / ms, 3))
  rows[++row_count] = row
}
END {
  is_emulated = emulated == "true"
  print "# Orthokit on " (is_emulated ? "the emulated device: times say nothing about a GPU" : gpu) "\n"
  print "Commit " commit ", " date ", " seconds " s. Device: " (device == "" ? gpu : device) ", " isa ". Products: " blas ".\n"
  print "| step | status | seconds | |\n|---|---|---|---|"
  for (i = 1; i <= step_count; ++i) print steps[i]
  print "\n" verified + 0 " cases against the references, " wrong_count + 0 " of them wrong."
  for (i = 1; i <= wrong_count; ++i) print "- " wrong[i]

  peak = peak_of(gpu)
  print "\n## Targets\n"
  if (!peak && !is_emulated) print "The memory bandwidth of this GPU is not known here: shares are of a measured copy.\n"
  print "| case | measured | target | whose | |\n|---|---|---|---|---|"
  target_json = ""
  for (i = 1; i <= targets; ++i) {
    name = names[i]
    value = verdict = ""
    if (unit[name] == "share") {
      whole = peak ? peak : copied[name]
      if (rate[name] != "" && whole + 0 > 0) value = rate[name] / whole
    } else if (best[name] != "" && refused[name] == "") {
      value = best[name]
    }
    if (refused[name] != "") verdict = "not run: " short(refused[name], 120)
    else if (value == "") verdict = "not run"
    else if (is_emulated) verdict = "emulated, smaller"
    else if (unit[name] == "share") verdict = value >= goal[name] ? "reached" : "missed"
    else verdict = value < goal[name] ? "reached" : "missed"
    printf "| %s | %s%s | %s%s | %s | %s |\n", name, cell(value, 3), value == "" ? "" : (unit[name] == "ms" ? " ms" : " of the bandwidth"),
           unit[name] == "ms" ? "< " : "≥ ", goal[name] (unit[name] == "ms" ? " ms" : ""), whose[name], verdict
    target_json = target_json sprintf("%s{\"name\":\"%s\",\"unit\":\"%s\",\"measured\":%s,\"target\":%s,\"verdict\":\"%s\"}",
                                      i > 1 ? "," : "", name, unit[name], number(value), goal[name], verdict)
  }

  print "\n## Every case\n"
  print "Best of the rounds, on the device's clock. Floor: the larger of bytes over a copy's bandwidth and flops over the rate of"
  print "a large product, both measured beside it. Own, torch: their time over ours; own is the same case without cuBLAS.\n"
  print "| op | shape | dtype | ms | GB/s | GFLOP/s | × floor | × baseline | own | torch |\n|---|---|---|---|---|---|---|---|---|---|"
  for (i = 1; i <= row_count; ++i) print rows[i]

  printf "{\"commit\":\"%s\",\"date\":\"%s\",\"gpu\":\"%s\",\"emulated\":%s,\"cublas\":\"%s\",\"seconds\":%d,\"verified\":%d,\"wrong\":%d,\"failed\":%d,\"steps\":[%s],\"targets\":[%s]}\n",
         commit, date, gpu, emulated, cublas, seconds, verified, wrong_count, failures, step_json, target_json > json
}
