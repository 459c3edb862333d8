# Prints one value of a JSON file, by its path of keys: every machine that builds Bitline has CMake, not all have jq.
#   cmake -DFILE=run.json "-DKEYS=chip;accuracy;mean" -P json_value.cmake
file(READ "${FILE}" text)
string(JSON value GET "${text}" ${KEYS})
execute_process(COMMAND ${CMAKE_COMMAND} -E echo "${value}")
