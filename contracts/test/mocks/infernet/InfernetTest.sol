// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator, Subscription} from "infernet-sdk/Coordinator.sol";
import {EIP712Coordinator} from "infernet-sdk/EIP712Coordinator.sol";
import {Inbox} from "infernet-sdk/Inbox.sol";
import {Registry} from "infernet-sdk/Registry.sol";
import {Fee} from "infernet-sdk/payments/Fee.sol";
import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {WalletFactory} from "infernet-sdk/payments/WalletFactory.sol";
import {Reader} from "infernet-sdk/utility/Reader.sol";
import {Test} from "../../utils/Test.sol";

/// @title A fresh Infernet deployment, at the addresses of the starter kit's chain.
/// @dev Contracts are created from compiled artifacts, so that no test carries a copy of them in its own code.
abstract contract InfernetTest is Test {
    address internal constant DEPLOYER = 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC;
    address internal constant NATIVE = address(0);
    address payable internal constant NOBODY = payable(address(0));
    uint256 internal constant START = 1_700_000_000;
    string internal constant CONTAINERS = "some-llm";

    /// @dev Slots of the Coordinator.
    uint256 internal constant NODE_RESPONDED_SLOT = 1;

    Registry internal registry;
    EIP712Coordinator internal coordinator;
    Inbox internal inbox;
    Reader internal reader;
    Fee internal fee;
    WalletFactory internal walletFactory;

    address internal protocol = actor("protocol");
    address internal node = actor("node");
    address internal stranger = actor("stranger");

    function setUp() public virtual {
        vm.warp(START);
        deployInfernet();
    }

    /// @dev Registry, Coordinator, Inbox, Reader, Fee, WalletFactory with the deployer's nonces 0 to 5. No protocol fee.
    function deployInfernet() private {
        address[6] memory places;
        for (uint64 nonce = 0; nonce < 6; nonce++) {
            places[nonce] = createAddress(DEPLOYER, nonce);
        }
        registry = Registry(
            deploy("Registry.sol:Registry", abi.encode(places[1], places[2], places[3], places[4], places[5]))
        );
        coordinator = EIP712Coordinator(deploy("EIP712Coordinator.sol:EIP712Coordinator", abi.encode(registry)));
        inbox = Inbox(deploy("Inbox.sol:Inbox", abi.encode(registry)));
        reader = Reader(deploy("utility/Reader.sol:Reader", abi.encode(registry)));
        fee = Fee(deploy("payments/Fee.sol:Fee", abi.encode(protocol, uint16(0))));
        walletFactory = WalletFactory(deploy("payments/WalletFactory.sol:WalletFactory", abi.encode(registry)));
    }

    /// @dev Creates one of `contracts/infernet` as the deployer.
    function deploy(string memory artifact, bytes memory arguments) internal returns (address created) {
        bytes memory code = vm.getCode(string.concat("contracts/infernet/", artifact));
        bytes memory initCode = bytes.concat(code, arguments);
        vm.prank(DEPLOYER);
        assembly {
            created := create(0, add(initCode, 0x20), mload(initCode))
        }
        assertTrue(created != address(0), artifact);
    }

    /// @dev The address that CREATE gives for a nonce below 128.
    function createAddress(address from, uint64 nonce) internal pure returns (address) {
        bytes1 encoded = nonce == 0 ? bytes1(0x80) : bytes1(uint8(nonce));
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", from, encoded)))));
    }

    function answersKey(uint32 subscriptionId, uint32 interval) internal pure returns (bytes32) {
        return keccak256(abi.encode(subscriptionId, interval));
    }

    function deliveryKey(uint32 subscriptionId, uint32 interval, address node_) internal pure returns (bytes32) {
        return keccak256(abi.encode(subscriptionId, interval, node_));
    }

    /// @dev Makes the Coordinator believe that `node_` has answered, without a delivery.
    function pretendAnswered(uint32 subscriptionId, uint32 interval, address node_) internal {
        bytes32 slot = keccak256(abi.encode(deliveryKey(subscriptionId, interval, node_), NODE_RESPONDED_SLOT));
        vm.store(address(coordinator), slot, bytes32(uint256(1)));
    }

    function delivery(uint32 subscriptionId, uint32 interval, address nodeWallet) internal pure returns (bytes memory) {
        return abi.encodeCall(
            Coordinator.deliverCompute,
            (subscriptionId, interval, bytes("input"), bytes("output"), bytes("proof"), nodeWallet)
        );
    }

    function deliver(address node_, uint32 subscriptionId, uint32 interval, address nodeWallet) internal {
        callAs(node_, address(coordinator), delivery(subscriptionId, interval, nodeWallet));
    }

    /// @dev Calls `target` as `sender`; a revert passes through.
    function callAs(address sender, address target, bytes memory data) internal returns (bytes memory) {
        vm.prank(sender);
        (bool success, bytes memory answer) = target.call(data);
        if (!success) {
            assembly {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        return answer;
    }

    /// @dev Asserts that a call fails with exactly these bytes.
    function assertReverts(address sender, address target, bytes memory data, bytes memory expected, string memory what)
        internal
    {
        vm.prank(sender);
        (bool success, bytes memory answer) = target.call(data);
        assertTrue(!success, string.concat(what, ": succeeded"));
        assertEq(answer, expected, what);
    }

    function assertReverts(address sender, address target, bytes memory data, bytes4 expected, string memory what)
        internal
    {
        assertReverts(sender, target, data, abi.encodePacked(expected), what);
    }

    function panic(uint256 code) internal pure returns (bytes memory) {
        return abi.encodeWithSignature("Panic(uint256)", code);
    }
}
