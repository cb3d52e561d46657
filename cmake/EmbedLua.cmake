# gateyes_embed_lua(<target>): every file of lua/ as text inside the binary, so that one file is
# the whole product. Specs beside the scripts stay out. luassert and what it needs lie below speckit/,
# for the specs of tenants. Source: GNU as, directive .incbin.
find_path(LUASSERT_DIR luassert/init.lua PATHS /usr/share/lua/5.1 /usr/local/share/lua/5.1 REQUIRED)
find_path(SAY_DIR say/init.lua PATHS /usr/share/lua/5.1 /usr/local/share/lua/5.1 REQUIRED)

function(gateyes_embed_lua target)
  file(GLOB_RECURSE scripts CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/lua ${CMAKE_SOURCE_DIR}/lua/*.lua)
  list(FILTER scripts EXCLUDE REGEX "_spec\\.lua$")
  list(FILTER scripts EXCLUDE REGEX "^types/") # for editors
  file(GLOB_RECURSE kit RELATIVE ${LUASSERT_DIR} ${LUASSERT_DIR}/luassert/*.lua)
  list(FILTER kit EXCLUDE REGEX "/languages/")
  list(APPEND kit luassert/languages/en.lua say/init.lua)
  list(TRANSFORM kit PREPEND speckit/)
  list(APPEND scripts ${kit})
  list(SORT scripts)
  set(assembly "  .section .rodata\n")
  set(table "")
  set(externs "")
  set(depends "")
  set(index 0)
  foreach(script ${scripts})
    set(file ${CMAKE_SOURCE_DIR}/lua/${script})
    if(script MATCHES "^speckit/say/")
      string(REPLACE speckit ${SAY_DIR} file ${script})
    elseif(script MATCHES "^speckit/")
      string(REPLACE speckit ${LUASSERT_DIR} file ${script})
    endif()
    string(APPEND assembly "lua_${index}:\n  .incbin \"${file}\"\nlua_${index}_end:\n"
           "  .globl lua_${index}, lua_${index}_end\n")
    string(APPEND externs "extern const char lua_${index}[], lua_${index}_end[];\n")
    string(APPEND table "  {\"${script}\", lua_${index}, lua_${index}_end},\n")
    list(APPEND depends ${file})
    math(EXPR index "${index} + 1")
  endforeach()
  string(APPEND assembly "  .section .note.GNU-stack,\"\",%progbits\n")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/embedded_lua.S CONTENT "${assembly}" @ONLY)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/embedded_lua.c CONTENT
"#include \"script/embedded.h\"\n${externs}
static const struct embedded_file files[] = {\n${table}  {0, 0, 0},\n};
const struct embedded_file *embedded_files(void) {\n  return files;\n}\n" @ONLY)
  set_source_files_properties(${CMAKE_BINARY_DIR}/embedded_lua.S PROPERTIES OBJECT_DEPENDS "${depends}")
  target_sources(${target} PRIVATE ${CMAKE_BINARY_DIR}/embedded_lua.S ${CMAKE_BINARY_DIR}/embedded_lua.c)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/runtime)
endfunction()
