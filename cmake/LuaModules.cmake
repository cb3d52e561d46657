# The C parts of the json module as a loadable module, so that specs which run under plain luajit
# can require "gateyes.json": package.cpath = <build>/lua/?.so. luajit itself has no sanitizer.
function(gateyes_lua_json)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/script/api_json*.c
       ${CMAKE_SOURCE_DIR}/runtime/base/json*.c)
  add_library(lua_json MODULE ${sources} ${CMAKE_SOURCE_DIR}/runtime/base/bytes.c
              ${CMAKE_SOURCE_DIR}/runtime/base/must.c)
  target_compile_options(lua_json PRIVATE -Wall -Wextra -Werror -fno-sanitize=all -O2)
  target_link_options(lua_json PRIVATE -fno-sanitize=all)
  target_include_directories(lua_json PRIVATE ${CMAKE_SOURCE_DIR}/runtime ${LUAJIT_INCLUDE_DIRS})
  target_link_libraries(lua_json PRIVATE m)
  set_target_properties(lua_json PROPERTIES PREFIX "" OUTPUT_NAME json
                        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lua/gateyes)
endfunction()
