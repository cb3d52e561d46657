local main = {}
function main.configure() end
function main.connection() end
function main.accept() end
function main.finished() end
function main.respond()
  return { "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" }
end
return main
