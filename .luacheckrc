std = "luajit"
read_globals = { "gateyes_id" }
max_line_length = 120
exclude_files = { "build/**", "**/node_modules/**", ".cache/**" }
files["spec/**/*_spec.lua"] = { std = "+busted" }
files["lua/**/*_spec.lua"] = { std = "+busted" }
files["examples/**/gateyes.lua"] = { globals = { "env", "secret_file" } }
files["spec/**/gateyes.lua"] = { globals = { "env", "secret_file" } }
files["examples/**/*_spec.lua"] = { std = "+busted" }
