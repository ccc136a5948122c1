// AddressSanitizer as the harnesses need it; the environment's ASAN_OPTIONS come on top.
//   allocator_may_return_null, max_allocation_size_mb  what is too large is std::bad_alloc, as
//   without it malloc_context_size                                 a finding runs once more with
//   ASAN_OPTIONS=malloc_context_size=30
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "allocator_may_return_null=1:max_allocation_size_mb=64:quarantine_size_mb=8:"
         "malloc_context_size=0:detect_stack_use_after_return=0";
}
