// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Subscription} from "infernet-sdk/Coordinator.sol";
import {Order, UsageReceipt} from "../../src/types/Usage.sol";
import {FlockTest} from "../utils/FlockTest.sol";

/// @title A requester with a balance, and subscriptions that the consumer's delegate signer signs for nodes to use.
abstract contract OrderTest is FlockTest {
    struct SignedSubscription {
        uint32 nonce;
        uint32 expiry;
        Subscription sub;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    uint256 internal constant DEPOSIT = 100e18;

    /// @dev 17 prompt and 23 completion tokens at the prices of `terms`.
    uint256 internal constant FEE =
        1e15 + (17 * uint256(333_333_333_333_333_333) + 23 * uint256(777_777_777_777_777_777) + 999_999) / 1_000_000;

    string private constant SUBSCRIPTION_TYPE =
        "Subscription(address owner,uint32 activeAt,uint32 period,uint32 frequency,uint16 redundancy,bytes32 containerId,bool lazy,address verifier,uint256 paymentAmount,address paymentToken,address wallet)";

    function setUp() public virtual override {
        super.setUp();
        vm.startPrank(requester);
        token.approve(address(distributor), type(uint256).max);
        distributor.deposit(requester, DEPOSIT);
        vm.stopPrank();
    }

    /// @dev One answer by one node, now.
    function subscription() internal view returns (Subscription memory) {
        return Subscription({
            owner: address(consumer),
            activeAt: uint32(block.timestamp),
            period: 0,
            frequency: 1,
            redundancy: 1,
            containerId: keccak256(abi.encode("flock-workflow")),
            lazy: false,
            verifier: payable(address(0)),
            paymentAmount: 0,
            paymentToken: address(0),
            wallet: payable(address(0))
        });
    }

    /// @dev As the consumer's delegate signer, which is the host, would sign it.
    function signed(Subscription memory sub, uint32 nonce) internal view returns (SignedSubscription memory result) {
        result.nonce = nonce;
        result.expiry = type(uint32).max;
        result.sub = sub;
        bytes32 subscriptionHash = keccak256(abi.encode(keccak256(bytes(SUBSCRIPTION_TYPE)), sub));
        bytes32 typeHash = keccak256(
            abi.encodePacked("DelegateSubscription(uint32 nonce,uint32 expiry,Subscription sub)", SUBSCRIPTION_TYPE)
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("InfernetCoordinator"),
                keccak256("1"),
                block.chainid,
                address(coordinator)
            )
        );
        bytes32 structHash = keccak256(abi.encode(typeHash, nonce, result.expiry, subscriptionHash));
        (result.v, result.r, result.s) =
            vm.sign(actorKey("host"), keccak256(abi.encodePacked(hex"1901", domain, structHash)));
    }

    /// @dev Creates the subscription, unless it exists, and delivers as `receipt.node`, in one call.
    function deliverSigned(SignedSubscription memory sub, UsageReceipt memory receipt, bytes memory proof) internal {
        vm.prank(receipt.node);
        coordinator.deliverComputeDelegatee(
            sub.nonce,
            sub.expiry,
            sub.sub,
            sub.v,
            sub.r,
            sub.s,
            receipt.interval,
            "",
            output(receipt),
            proof,
            address(0)
        );
    }

    /// @dev Proof of an honest service for an order of `requester`.
    function proofFor(Order memory order_, UsageReceipt memory receipt) internal view returns (bytes memory) {
        return orderProof(order_, "requester", receipt, sign(receipt));
    }

    /// @dev An honest answer to an order through a subscription of its own.
    function answer(Order memory order_, uint32 nonce) internal returns (UsageReceipt memory receipt) {
        receipt = receiptFor(order_, 1, node, 17, 23);
        deliverSigned(signed(subscription(), nonce), receipt, proofFor(order_, receipt));
    }

    /// @dev An answer to an order that is refused with `revertData`, through a subscription of its own.
    function refused(Order memory order_, UsageReceipt memory receipt, bytes memory proof, bytes memory revertData)
        internal
    {
        SignedSubscription memory sub = signed(subscription(), 1_000);
        uint256 balance = distributor.balanceOf(order_.requester);
        vm.expectRevert(revertData);
        deliverSigned(sub, receipt, proof);
        assertEq(distributor.balanceOf(order_.requester), balance, "nothing was taken");
    }

    function refused(Order memory order_, bytes memory revertData) internal {
        UsageReceipt memory receipt = receiptFor(order_, 1, node, 17, 23);
        refused(order_, receipt, proofFor(order_, receipt), revertData);
    }
}
