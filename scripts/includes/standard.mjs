// Names that the standard headers declare, of all that source files here name; `std::chrono::…` and the like by their first word.
const headers = {
  algorithm:
    'all_of any_of binary_search clamp copy copy_n fill fill_n find find_if lower_bound max max_element min min_element ' +
    'none_of nth_element partial_sort pop_heap push_heap ranges sort sort_heap stable_sort swap_ranges transform ' +
    'upper_bound reverse rotate remove_if count count_if minmax equal unique partition partition_point',
  array: 'array',
  atomic:
    'atomic atomic_thread_fence memory_order_acquire memory_order_relaxed memory_order_release memory_order_acq_rel ' +
    'memory_order_seq_cst',
  bit: 'bit_cast bit_ceil bit_floor bit_width countl_zero countr_zero has_single_bit popcount endian rotl rotr',
  charconv: 'from_chars to_chars chars_format',
  chrono: 'chrono',
  cmath:
    'abs ceil copysign cos cosh erf erfc exp exp2 expm1 fabs floor fma fmod frexp hypot isfinite isinf isnan ldexp log ' +
    'log1p log2 lround nearbyint nextafter pow rint round scalbn signbit sin sinh sqrt tan tanh trunc acos asin atan atan2',
  concepts: 'convertible_to floating_point integral invocable same_as',
  condition_variable: 'condition_variable',
  cstddef: 'byte max_align_t nullptr_t ptrdiff_t size_t',
  cstdio: 'fprintf printf snprintf fopen fread fseeko fclose fflush puts FILE',
  cstdlib: 'strtoll abort atexit free getenv malloc',
  cstring: 'memcmp memcpy memmove memset strchr strcmp strerror strlen strncmp',
  cctype: 'isdigit isspace tolower toupper',
  deque: 'deque',
  exception: 'current_exception exception exception_ptr rethrow_exception terminate uncaught_exceptions',
  fstream: 'ifstream ofstream',
  functional: 'function greater less plus multiplies hash reference_wrapper ref',
  initializer_list: 'initializer_list',
  ios: 'ios streamoff',
  iterator: 'back_inserter begin end next prev distance size data ssize',
  limits: 'numeric_limits',
  list: 'list',
  map: 'map multimap',
  memory:
    'make_shared make_unique make_unique_for_overwrite shared_ptr unique_ptr weak_ptr addressof enable_shared_from_this',
  mutex: 'call_once lock_guard mutex once_flag scoped_lock unique_lock',
  new: 'bad_alloc nothrow align_val_t launder',
  numbers: 'numbers',
  numeric: 'accumulate gcd iota lcm reduce exclusive_scan inner_product',
  optional: 'nullopt optional',
  set: 'set',
  shared_mutex: 'shared_lock shared_mutex',
  span: 'span',
  sstream: 'ostringstream istringstream stringstream',
  stdexcept: 'runtime_error logic_error invalid_argument out_of_range',
  string: 'getline string stod stoi stoll to_string',
  string_view: 'string_view',
  system_error: 'errc error_code system_error generic_category',
  thread: 'this_thread thread jthread',
  tuple: 'tuple tie apply get make_tuple',
  type_traits:
    'bool_constant conditional conditional_t decay_t false_type integral_constant invoke_result_t is_base_of_v is_const_v ' +
    'is_convertible_v is_enum_v is_floating_point_v is_integral_v is_pointer_v is_same is_same_v is_trivially_copyable_v ' +
    'is_unsigned_v is_void_v make_unsigned_t remove_const_t remove_cvref_t remove_pointer_t remove_reference_t true_type ' +
    'type_identity underlying_type_t void_t',
  unordered_map: 'unordered_map',
  unordered_set: 'unordered_set',
  utility:
    'exchange forward index_sequence integer_sequence make_index_sequence make_pair move pair swap in_place declval',
  variant: 'variant visit holds_alternative monostate',
  vector: 'erase_if vector',
};
/** Headers that declare a name beside the header that the standard gives it: these cannot do without it. */
const also = {
  begin: ['array', 'map', 'set', 'span', 'string', 'string_view', 'vector'],
  end: ['array', 'map', 'set', 'span', 'string', 'string_view', 'vector'],
  size: ['array', 'map', 'set', 'span', 'string', 'string_view', 'vector'],
  data: ['array', 'span', 'string', 'string_view', 'vector'],
  get: ['array', 'memory', 'utility', 'variant'],
  byte: [],
  size_t: ['cstdint', 'cstdio', 'cstdlib', 'cstring'],
  ios: ['fstream', 'sstream'],
  streamoff: ['fstream', 'sstream'],
  // A copy or a move of what they hold.
  move: ['algorithm', 'memory', 'string', 'vector', 'map', 'functional', 'optional'],
  swap: ['algorithm', 'memory', 'string', 'vector', 'map'],
  forward: ['memory', 'functional', 'tuple'],
  exchange: ['memory'],
  declval: ['type_traits'],
  abs: ['cstdlib'],
  erase_if: ['map', 'set', 'string', 'unordered_map'],
  errc: ['charconv'],
};

const declared = new Map();
for (const [header, names] of Object.entries(headers))
  for (const name of names.split(' ')) declared.set(name, [header, ...(also[name] ?? [])]);

/** The headers of which one must be included where `std::<name>` stands; undefined for a name that the table lacks. */
export const headersOf = (name) => declared.get(name);
