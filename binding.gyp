{
  'targets': [{
    'target_name': 'orthokit',
    'type': 'none',
    'actions': [{
      'action_name': 'cmake_js',
      'inputs': ['CMakeLists.txt'],
      'outputs': ['<(PRODUCT_DIR)/orthokit.node'],
      'action': ['node', 'scripts/gyp-build.cjs', '<(CONFIGURATION_NAME)'],
    }],
  }],
}
