# gateyes_embed_lua(<target>): every file of lua/ as text inside the binary, so that one file is
# the whole product. Specs beside the scripts stay out. Source: GNU as, directive .incbin.
function(gateyes_embed_lua target)
  file(GLOB_RECURSE scripts CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/lua ${CMAKE_SOURCE_DIR}/lua/*.lua)
  list(FILTER scripts EXCLUDE REGEX "_spec\\.lua$")
  list(FILTER scripts EXCLUDE REGEX "^types/") # for editors
  list(SORT scripts)
  set(assembly "  .section .rodata\n")
  set(table "")
  set(externs "")
  set(depends "")
  set(index 0)
  foreach(script ${scripts})
    string(APPEND assembly "lua_${index}:\n  .incbin \"${CMAKE_SOURCE_DIR}/lua/${script}\"\nlua_${index}_end:\n"
           "  .globl lua_${index}, lua_${index}_end\n")
    string(APPEND externs "extern const char lua_${index}[], lua_${index}_end[];\n")
    string(APPEND table "  {\"${script}\", lua_${index}, lua_${index}_end},\n")
    list(APPEND depends ${CMAKE_SOURCE_DIR}/lua/${script})
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
