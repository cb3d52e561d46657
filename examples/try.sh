# For the `try` of each example: asks, and shows who answered and why.
url="${GATEYES_URL:-http://127.0.0.1:8080}"

curl -s -o /dev/null --noproxy '*' "$url/" || { echo "nothing answers on $url; start scripts/run first" >&2; exit 1; }

ask() { # model, text, key, session
  printf '%s\n' "> $2"
  curl -s --noproxy '*' -D - "$url/v1/chat/completions" -H "Authorization: Bearer ${3:-gy-dev-key}" -H "x-gateyes-trace: 1" \
    ${4:+-H "x-session-id: $4"} -d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}" |
    grep -iE '^(HTTP|x-gateyes-(provider|attempts|cost|trace))|^\{"error' | sed 's/^/  /'
  echo
}
