#include <zlib.h>

// zlib's initialiser is a macro, which Swift does not see.
static inline int zlib_shim_begin_gzip(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}
