// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "./Vm.sol";

/// @title Base of every Solidity test: forge's cheat codes and named assertions.
abstract contract Test {
    /// @dev Where forge places its cheat codes: address(uint160(uint256(keccak256("hevm cheat code")))).
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    /// @dev Tells forge that this contract holds tests.
    bool public constant IS_TEST = true;

    function assertTrue(bool condition, string memory what) internal pure {
        vm.assertTrue(condition, what);
    }

    function assertEq(uint256 left, uint256 right, string memory what) internal pure {
        vm.assertEq(left, right, what);
    }

    function assertEq(bytes32 left, bytes32 right, string memory what) internal pure {
        vm.assertEq(left, right, what);
    }

    function assertEq(address left, address right, string memory what) internal pure {
        vm.assertEq(left, right, what);
    }

    function assertEq(bool left, bool right, string memory what) internal pure {
        vm.assertEq(left, right, what);
    }

    function assertEq(bytes memory left, bytes memory right, string memory what) internal pure {
        vm.assertEq(left, right, what);
    }

    function assertEq(string memory left, string memory right, string memory what) internal pure {
        vm.assertEq(left, right, what);
    }

    function assertLe(uint256 left, uint256 right, string memory what) internal pure {
        vm.assertLe(left, right, what);
    }

    function assertGe(uint256 left, uint256 right, string memory what) internal pure {
        vm.assertGe(left, right, what);
    }

    /// @dev Folds a fuzzed value into [low, high], both included.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        if (value >= low && value <= high) return value;
        uint256 size = high - low + 1;
        return size == 0 ? value : low + value % size;
    }

    /// @dev Deploys by name, `File.sol:Contract`. With `new` every test would carry the code of what it deploys, and the
    ///      compiler would make that code anew for each.
    function deployNamed(string memory artifact, bytes memory arguments) internal returns (address at) {
        bytes memory code = bytes.concat(vm.getCode(artifact), arguments);
        assembly ("memory-safe") {
            at := create(0, add(code, 32), mload(code))
        }
        assertTrue(at != address(0), artifact);
    }

    /// @dev A labelled account that has no code.
    function actor(string memory name) internal returns (address account) {
        account = vm.addr(actorKey(name));
        vm.label(account, name);
    }

    function actorKey(string memory name) internal pure returns (uint256) {
        return uint256(keccak256(abi.encodePacked("actor:", name)));
    }
}
