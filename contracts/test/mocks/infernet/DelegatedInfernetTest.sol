// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Subscription} from "infernet-sdk/Coordinator.sol";
import {EIP712Coordinator} from "infernet-sdk/EIP712Coordinator.sol";
import {InfernetTest} from "./InfernetTest.sol";
import {RecordingConsumer} from "./RecordingConsumer.sol";

/// @title Two consumers at known addresses, and the published signatures for each.
abstract contract DelegatedInfernetTest is InfernetTest {
    struct Signed {
        uint32 nonce;
        uint32 expiry;
        Subscription sub;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    address internal constant OWNER_A = 0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e;
    address internal constant OWNER_B = 0x8cDbD76bB6Cf0293e07deEEEd460cf579873aF44;
    uint256 internal constant SIGNER_KEY = 0xa11ce;
    uint32 internal constant EXPIRY = 4_102_444_800;

    /// @dev Written out here once more, so that nothing of the contract vouches for itself.
    string internal constant SUB_TYPE =
        "Subscription(address owner,uint32 activeAt,uint32 period,uint32 frequency,uint16 redundancy,bytes32 containerId,bool lazy,address verifier,uint256 paymentAmount,address paymentToken,address wallet)";
    bytes32 internal constant SUB_TYPEHASH = keccak256(bytes(SUB_TYPE));
    bytes32 internal constant DELEGATE_TYPEHASH = keccak256(
        abi.encodePacked("DelegateSubscription(uint32 nonce,uint32 expiry,Subscription sub)", SUB_TYPE)
    );

    address internal signer = vm.addr(SIGNER_KEY);

    function setUp() public virtual override {
        super.setUp();
        // Nonce 6 of the starter kit's deployer is a call of createWallet.
        vm.setNonce(DEPLOYER, 7);
        vm.startPrank(DEPLOYER);
        assertEq(address(new RecordingConsumer(address(registry), signer)), OWNER_A, "owner A");
        assertEq(address(new RecordingConsumer(address(registry), signer)), OWNER_B, "owner B");
        vm.stopPrank();
    }

    function vectorA() internal pure returns (Signed memory) {
        return Signed({
            nonce: 5,
            expiry: EXPIRY,
            sub: Subscription({
                owner: OWNER_A,
                activeAt: 1_700_000_000,
                period: 0,
                frequency: 1,
                redundancy: 1,
                containerId: 0x868f8afd42a93e57411cfaf733cfc007fdff4a069be48020ca20d6ed7be02d7e,
                lazy: false,
                verifier: NOBODY,
                paymentAmount: 0,
                paymentToken: NATIVE,
                wallet: NOBODY
            }),
            v: 28,
            r: bytes32(uint256(112093381178808550316484284171158646739120368854229973066181922825115248877033)),
            s: bytes32(uint256(36085333529379579954401165984502010237944169569973594677793132985983060325383))
        });
    }

    function vectorB() internal pure returns (Signed memory) {
        return Signed({
            nonce: 7,
            expiry: EXPIRY,
            sub: Subscription({
                owner: OWNER_B,
                activeAt: 1_700_000_000,
                period: 3600,
                frequency: 24,
                redundancy: 3,
                containerId: 0x58e516fa64e8520e529e772bac90a9a2120fd59c2d97733a38dc2b78360d430d,
                lazy: true,
                verifier: payable(0x1111111111111111111111111111111111111111),
                paymentAmount: 1 ether,
                paymentToken: 0x2222222222222222222222222222222222222222,
                wallet: payable(0x3333333333333333333333333333333333333333)
            }),
            v: 28,
            r: 0x423d46e242ea5897ce452b948c1c7953008ca5a3470a503afec5b82afcdc9f12,
            s: 0x6225f74ae1cb6d735467a988d2a6d3b2cb3d8b69a24b85e44bcc1e6e85c452cd
        });
    }

    /// @dev The same order, with a fresh signature for the coordinator and the chain of the moment.
    function sign(Signed memory order) internal view returns (Signed memory) {
        (order.v, order.r, order.s) = vm.sign(SIGNER_KEY, digest(order));
        return order;
    }

    function digest(Signed memory order) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator(), structHash(order)));
    }

    function structHash(Signed memory order) internal pure returns (bytes32) {
        return keccak256(abi.encode(DELEGATE_TYPEHASH, order.nonce, order.expiry, subHash(order.sub)));
    }

    function subHash(Subscription memory sub) internal pure returns (bytes32) {
        return keccak256(abi.encode(SUB_TYPEHASH, sub));
    }

    function domainSeparator() internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("InfernetCoordinator"),
                keccak256("1"),
                block.chainid,
                address(coordinator)
            )
        );
    }

    function creation(Signed memory order) internal pure returns (bytes memory) {
        return abi.encodeCall(
            EIP712Coordinator.createSubscriptionDelegatee,
            (order.nonce, order.expiry, order.sub, order.v, order.r, order.s)
        );
    }

    function create(Signed memory order) internal returns (uint32) {
        return abi.decode(callAs(node, address(coordinator), creation(order)), (uint32));
    }
}
