import js from '@eslint/js'
import tseslint from 'typescript-eslint'

const printing = [
  'error',
  { selector: "MemberExpression[object.name='console']", message: 'Only src/lib/cli prints.' },
]

export default tseslint.config(
  {
    ignores: [
      'dist',
      'node_modules',
      'coverage',
      'contracts/out',
      'contracts/cache',
      'src/lib/abi',
      'templates',
    ],
  },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { project: ['./tsconfig.test.json'], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/lib/**/*.ts'],
    ignores: ['src/lib/cli/**'],
    rules: { 'no-restricted-syntax': printing },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/lib/cli/prompts.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [{ name: '@inquirer/prompts', message: 'Questions live in src/lib/cli/prompts.ts.' }] },
      ],
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        clearInterval: 'readonly',
        setInterval: 'readonly',
        AbortController: 'readonly',
        performance: 'readonly',
      },
      parserOptions: { project: null },
    },
  },
)
